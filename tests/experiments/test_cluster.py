"""A run on a real Dask scheduler with two worker processes on loopback."""

import os
import signal

import pytest

from kerasinit.experiments import compare, run

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    config = {"distributed.worker.daemon": False, "distributed.comm.timeouts.connect": "60s"}
    import dask

    with (
        dask.config.set(config),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_killed_worker_costs_no_finished_replica(client, tmp_path, tiny):
    spec = tiny(initializers=("zeros", "he_normal"), depths=(1, 2, 3, 4), seeds=1)
    killed = []

    def kill_a_worker(event):
        if event.kind == "cell_end" and not killed:
            pids = client.run(os.getpid)
            busy = [address for address, tasks in client.processing().items() if tasks]
            killed.append(pids[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

    run(spec, tmp_path / "run", client.get_executor(), on_event=kill_a_worker)
    assert killed
    assert len((tmp_path / "run" / "records.jsonl").read_text("utf-8").splitlines()) == 8
    assert len(compare(tmp_path / "run").replicas) == 8


def test_the_cluster_gives_the_same_curves(client, finished, spec, tmp_path):
    run(spec, tmp_path / "run", client.get_executor())
    here, there = (compare(path).replicas for path in (finished, tmp_path / "run"))
    assert [record.key for record in here] == [record.key for record in there]
    for first, second in zip(here, there, strict=True):
        assert first.curves["loss"] == pytest.approx(second.curves["loss"], rel=1e-3)
