"""A folder of Hasura metadata for a few tables."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_FILES = {
    "version.yaml": "version: 3\n",
    "databases/databases.yaml": """
- name: default
  kind: postgres
  configuration: {connection_info: {database_url: {from_env: DATABASE_URL}}}
  tables: "!include default/tables/tables.yaml"
""",
}
_TABLES = "databases/default/tables"


@contextmanager
def tracked(tables: Mapping[str, str]) -> Iterator[str]:
    """The path of such a folder; `tables` are the texts of their files by name."""
    listed = "".join(f'- "!include {name}.yaml"\n' for name in tables)
    files = _FILES | {f"{_TABLES}/tables.yaml": listed}
    files |= {f"{_TABLES}/{name}.yaml": text for name, text in tables.items()}
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            place = Path(folder) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        yield folder
