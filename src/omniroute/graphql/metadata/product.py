"""Where the metadata lie that come with us."""

from pathlib import Path

from omniroute.graphql.errors import MetadataUnreadable


def product_metadata() -> Path:
    """The folder of our own metadata, as the Hasura CLI lays it out, installed or checked out.

    Raises: MetadataUnreadable.
    """
    package = Path(__file__).parents[2]
    for folder in (package / "hasura" / "metadata", package.parents[1] / "deploy" / "hasura" / "metadata"):
        if folder.is_dir():
            return folder
    raise MetadataUnreadable(f"no metadata beside {package}")
