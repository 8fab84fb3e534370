"""Check a chip's definition beside the chips of the catalogue."""

from archsim.errors import ArchsimError
from archsim.explore.check_chip import Finding
from archsim.explore.check_chip import check as check_among
from archsim.hardware import Chip


def check(chip: Chip) -> list[Finding]:
    """Return what is missing, does not close or is out of physical range in a chip's definition, the worst first.

    Its neighbours are the chips of the catalogue of about its year; see `archsim.explore.check_chip`.

    Raises
    ------
    ArchsimError
        If it is no Chip.
    """
    from archsim.chips import catalogue

    if not isinstance(chip, Chip):
        raise ArchsimError(f"check takes a Chip, e.g. archsim.chips.load('my_chip.py'), not {chip!r}")
    return check_among(chip, catalogue().values())
