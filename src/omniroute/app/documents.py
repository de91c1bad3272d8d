"""Documents made from the code: errors, events, settings, the OpenAPI document. The repository keeps the result."""

import importlib
import json
import pkgutil
from pathlib import Path

import omniroute
from omniroute import api
from omniroute.app.settings import PREFIX, SPECS
from omniroute.infra import events
from omniroute.kit.refusal import Refusal


def root() -> Path:
    """The checkout this package runs from."""
    return Path(omniroute.__file__).parents[2]


def import_everything() -> None:
    """Import every module, so that each refusal and event has announced itself."""
    for module in pkgutil.walk_packages(omniroute.__path__, "omniroute."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def build() -> dict[str, str]:
    """Every generated document, by its path in the repository."""
    import_everything()
    return {
        "docs/errors.md": _errors(),
        "docs/settings.md": _settings(),
        "docs/openapi.json": json.dumps(api.openapi_document(), indent=1, ensure_ascii=False) + "\n",
        **events.schema_documents(),
    }


def drift(folder: Path) -> list[str]:
    """The documents under this folder that are not what the code says: missing, different or left over."""
    wanted = build()
    wrong = [
        path
        for path, text in wanted.items()
        if not (folder / path).exists() or (folder / path).read_text(encoding="utf-8") != text
    ]
    left_over = {f"docs/events/{path.name}" for path in (folder / "docs/events").glob("*.json")} - wanted.keys()
    return sorted([*wrong, *left_over])


def write(folder: Path) -> list[str]:
    """Write what drifted, remove what is left over; the paths that changed."""
    wanted = build()
    changed = drift(folder)
    for name in changed:
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _errors() -> str:
    lines = [
        "# Errors",
        "",
        "Generated from the refusals in the code; do not edit.",
        "A refusal moves nothing. Over HTTP it is `application/problem+json` (RFC 9457) with one of these codes,",
        "which never change their meaning. On the command line it is exit code 2 and one line on stderr.",
        "",
        "| code | HTTP | means |",
        "|---|---|---|",
    ]
    for code, _title, status, text in api.error_codes():
        refusal = Refusal.by_code.get(code)
        if refusal is None or refusal.__module__.startswith("omniroute."):
            lines.append(f"| `{code}` | {status} | {text.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def _settings() -> str:
    lines = [
        "# Settings",
        "",
        "Generated from `omniroute.app.settings`; do not edit.",
        "",
        f"Every setting is an environment variable (`{PREFIX}HTTP_PORT`) or a line of a TOML file (`http_port = 8080`)",
        f"named by `{PREFIX}CONFIG` or `--config`. A variable wins over the file. Unknown names and malformed values",
        "are refused by name. `omniroute doctor` shows what a process would see, without secrets.",
        "",
        "| variable | takes | default | means |",
        "|---|---|---|---|",
    ]
    for spec in SPECS.values():
        default = str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default)
        shown = f"`{default}`" if default else ""
        secret = " Secret." if spec.secret else ""
        lines.append(f"| `{spec.variable}` | {spec.expected} | {shown} | {spec.doc}{secret} |")
    return "\n".join(lines) + "\n"
