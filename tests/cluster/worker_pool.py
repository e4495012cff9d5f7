"""A pool of worker processes for several TaskManagers of one machine:
`python -m tests.cluster.worker_pool PORT`.

Beam's own pool tells workers apart by an id that each TaskManager counts for itself: where two ask
the same pool, one that stops its worker ends that of the other. Here workers leave by themselves,
when the TaskManager that has asked for them closes their connection or dies.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any, Final

from apache_beam.portability.api import beam_fn_api_pb2 as messages
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

_STATE_CACHE_BYTES: Final = 100 << 20
_WORK: Final = """
import sys
from apache_beam.runners.worker.sdk_worker import SdkHarness
from tests.cluster import holding
holding.install()
endpoint, worker, cache = sys.argv[1:]
SdkHarness(endpoint, worker_id=worker, state_cache_size=int(cache)).run()
"""


class WorkerPool(BeamFnExternalWorkerPoolServicer):
    """Starts a process for each worker that somebody asks for."""

    def StartWorker(self, request: Any, context: object) -> Any:
        """Start one."""
        endpoint, worker = request.control_endpoint.url, request.worker_id
        command = [sys.executable, "-c", _WORK, endpoint, worker, str(self._state_cache_size)]
        process = subprocess.Popen(command)
        threading.Thread(target=process.wait, daemon=True).start()
        return messages.StartWorkerResponse()

    def StopWorker(self, request: Any, context: object) -> Any:
        """Leave it alone: it ends with its connection."""
        return messages.StopWorkerResponse()


if __name__ == "__main__":
    _, server = WorkerPool.start(port=int(sys.argv[1]), state_cache_size=_STATE_CACHE_BYTES)
    server.wait_for_termination()
