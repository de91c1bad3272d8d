"""Master keys in a folder."""

import stat
import threading
from pathlib import Path

import pytest

from omniroute.infra.secrets import BadKeys, Binding, FileKeys, KeyMissing, SecretDamaged, Vault, Wrapped, open_keys

BINDING = Binding(None, "signing_key", "one")


async def test_the_first_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "keys"
    keys = FileKeys.create(folder)
    again = FileKeys.create(folder)
    assert await keys.key_ids() == await again.key_ids() == (await keys.current_key_id(),)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = next(folder.glob("*.key")).read_text().strip().partition(":")[2]
    assert key not in repr(keys)


async def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made: list[FileKeys] = []
    failures: list[Exception] = []
    start = threading.Barrier(8)

    def make() -> None:
        start.wait()
        try:
            made.append(FileKeys.create(folder))
        except BadKeys as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len({await keys.current_key_id() for keys in made}) == 1
    assert len(await made[0].key_ids()) == 1
    assert len(list(folder.iterdir())) == 2


async def test_a_key_added_by_one_process_is_found_by_another(tmp_path: Path) -> None:
    one, two = FileKeys.create(tmp_path), FileKeys(tmp_path)
    before = await Vault(two).seal(BINDING, b"before")
    new = await one.add_key()
    assert await two.current_key_id() == new
    assert (await two.key_ids())[-1] == new
    after = await Vault(one).seal(BINDING, b"after")
    assert await Vault(two).open(BINDING, after) == b"after"
    assert await Vault(one).open(BINDING, before) == b"before"


async def test_the_first_key_may_also_be_added(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "keys")
    first = await keys.add_key()
    assert await keys.key_ids() == (first,)
    assert await keys.add_key() == await keys.current_key_id() != first


async def test_without_its_key_nothing_opens(tmp_path: Path) -> None:
    keys = FileKeys.create(tmp_path)
    vault, old = Vault(keys), await keys.current_key_id()
    sealed = await vault.seal(BINDING, b"secret")
    with pytest.raises(BadKeys):
        await keys.remove_key(old)
    await keys.add_key()
    await keys.remove_key(old)
    with pytest.raises(KeyMissing) as missing:
        await vault.open(BINDING, sealed)
    assert missing.value.facts == {"key_id": old}
    with pytest.raises(KeyMissing):
        await Vault(FileKeys.create(tmp_path / "another")).open(BINDING, sealed)
    with pytest.raises(KeyMissing):
        await keys.unwrap(Wrapped("../../etc/passwd", b"x" * 60), b"")
    with pytest.raises(KeyMissing):
        await keys.remove_key("k000009-gone")


async def test_a_wrapped_key_is_bound_to_its_master_key_and_use(tmp_path: Path) -> None:
    keys = FileKeys.create(tmp_path)
    wrapped = await keys.wrap(b"d" * 32, b"use")
    assert await keys.unwrap(wrapped, b"use") == b"d" * 32
    for other in (Wrapped(wrapped.key_id, wrapped.data[:-1]), Wrapped(wrapped.key_id, b"")):
        with pytest.raises(SecretDamaged):
            await keys.unwrap(other, b"use")
    with pytest.raises(SecretDamaged):
        await keys.unwrap(wrapped, b"another use")


async def test_a_folder_that_is_not_right_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match="no master keys"):
        await FileKeys(tmp_path / "none").current_key_id()
    folder = tmp_path / "keys"
    key_id = await FileKeys.create(folder).current_key_id()
    path = folder / f"{key_id}.key"
    good = path.read_text()

    path.chmod(0o640)
    with pytest.raises(BadKeys, match="0600"):
        FileKeys.create(folder)
    path.chmod(0o600)
    for text in ("", "omniroute-key-1:", "omniroute-key-1:AAAA", good[4:], good.strip()[:-2] + "!!", "\u20ac"):
        path.write_text(text)
        with pytest.raises(BadKeys) as error:
            FileKeys.create(folder)
        assert good.strip()[16:40] not in str(error.value)
    path.write_text(good)
    (folder / "current").unlink()
    with pytest.raises(BadKeys, match="no file `current`"):
        FileKeys.create(folder)  # A new key here would hide that the old ones are in use.
    assert len(list(folder.glob("*.key"))) == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(BadKeys):
        FileKeys.create(tmp_path / "file")


async def test_settings_lead_to_keys(tmp_path: Path) -> None:
    assert isinstance(open_keys("file", folder=tmp_path / "keys", create=True), FileKeys)
    with pytest.raises(BadKeys):
        open_keys("vault", folder=tmp_path)
    with pytest.raises(BadKeys, match="module"):
        open_keys("pkcs11", folder=tmp_path, module="/no/such/module.so", token="t")
