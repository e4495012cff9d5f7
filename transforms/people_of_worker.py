"""Who is known by which ids, once for all threads of a worker."""

from __future__ import annotations

from apache_beam.utils.shared import Shared

from transforms.kernels.person_ids import People


class PeopleOfWorker:
    """Gives all threads of a worker one copy: of ten million people it has 1.5 GB.

    Args:
        people: as it travels to the worker; None for everybody by one id.
    """

    def __init__(self, people: People | None):
        self._people, self._shared = people, Shared()

    def acquire(self) -> People | None:
        """The worker's copy."""
        if self._people is None:
            return None
        found: People = self._shared.acquire(self._people.loaded)
        return found
