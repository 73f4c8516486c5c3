"""Where a study can be kept, and what is left of it when its workers, or their machines, die."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import forks
import optuna
import pytest
import servers
import sqlalchemy
import yaml
from optuna.trial import TrialState
from servers import until

from affect.cli import main
from affect.errors import ConfigError
from affect.runs.studies import finished_trials, load, open_storage, quietly, sqlite

HELD = """
import os, pathlib, time
from affect.fusion import TensorFusion

HERE = pathlib.Path(__file__).parent

class Held(TensorFusion):
    begun = False

    def combine(self, vectors, present):
        if self.training and not self.begun:
            self.begun = True
            holds = HERE / f"{os.getpid()}.holds"
            while (HERE / "hold").exists():
                try:
                    (HERE / "let one pass").unlink()
                    break
                except FileNotFoundError:
                    holds.touch()
                    time.sleep(0.05)
            holds.unlink(missing_ok=True)
        return super().combine(vectors, present)
"""
SMALL = {
    "corpus": "synthetic:additive",
    "training": {"epochs": 1, "learning_rate": 0.01},
    "model": {
        "encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}},
        "fusion": "held.Held",
        "width": 4,
    },
    "search": {
        "heartbeat": 1,
        "seeds": [0],
        "fresh": [],
        "pruner": "NopPruner",  # every trial that is not killed is complete
        "space": {"*": "fixed", "training.learning_rate": {"low": 0.0001, "high": 0.01, "log": True}},
    },
}


FORKS = forks.server()
"""Processes that need not import much first: four of them import for half a minute otherwise."""


def write(folder):
    """A small search, whose trials wait while there is a file `hold` beside it: its configuration."""
    (folder / "held.py").write_text(HELD)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL, sort_keys=False))
    return path


def held(folder):
    """How many trials wait."""
    return len(list(folder.glob("*.holds")))


class Forked:
    """`affect tune`, at work; what it complains of lies beside its folder of results."""

    def __init__(self, path, out, *more):
        self.out = path.parent / out
        self.complaints = self.out.with_suffix(".err")
        self.begin(["tune", str(path), "--out", str(self.out), *map(str, more)])

    def begin(self, arguments):
        self.process = FORKS.Process(target=complaining, args=(arguments, self.complaints))
        self.process.start()

    def alive(self):
        return self.process.is_alive()

    def status(self):
        """Wait for its end; says how it was."""
        self.process.join(servers.PATIENCE)
        return self.process.exitcode

    def chosen(self):
        """Wait for its end, which is a good one; gives the numbers of the trials that it chose."""
        assert (self.status(), self.complaints.read_text()) == (0, "")
        return [*json.loads((self.out / "search.json").read_text())["chosen"].values()]

    def kill(self):
        """End it, and whoever works for it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.status()


class Fresh(Forked):
    """The same, as a user begins it."""

    def begin(self, arguments):
        with self.complaints.open("w") as complaints:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "affect", *arguments],
                stdout=subprocess.DEVNULL, stderr=complaints, start_new_session=True,
            )  # fmt: skip

    def alive(self):
        return self.process.poll() is None

    def status(self):
        return self.process.wait(servers.PATIENCE)


def complaining(arguments, file):
    """Do what a command does, with a process group of its own; what it says on stderr goes to a file."""
    os.setsid()
    with file.open("w") as complaints:
        os.dup2(complaints.fileno(), 2)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    main(arguments)


@contextmanager
def ending(*commands):
    """Commands of which none is left behind; gives whether all of them are alive."""
    try:
        yield lambda: all(command.alive() for command in commands)
    finally:
        for command in commands:
            command.kill()


@contextmanager
def opened(url):
    """A storage, whose connections do not wait to be collected."""
    storage = open_storage(url, heartbeat=1)
    try:
        yield storage
    finally:
        if isinstance(storage, optuna.storages.RDBStorage):
            storage.engine.dispose()


@contextmanager
def looked_at(url):
    """The one study of a storage as it is now; None while there is none."""
    if url.startswith("sqlite") and not Path(url.partition("///")[2]).exists():
        yield None
        return
    with opened(url) as storage:
        with quietly():
            names = optuna.get_all_study_names(storage)
        yield load(storage, *names) if names else None


def trials_of(url):
    """All trials of a storage's one study."""
    with looked_at(url) as study:
        return study.get_trials() if study else []


def done(url):
    """The trials that are complete: what was tried, and what it came to."""
    return {t.number: (t.params, t.values) for t in trials_of(url) if t.state == TrialState.COMPLETE}


def running(url):
    """The numbers of the trials that are being tried."""
    return {trial.number for trial in trials_of(url) if trial.state == TrialState.RUNNING}


def check(url, before, interrupted):
    """What a study promises: nothing that was finished is lost, and what was interrupted is tried again.

    Args:
        url: of its storage.
        before: what was complete before the kill.
        interrupted: the trials whose worker was killed.
    """
    trials = trials_of(url)
    assert [trial.number for trial in trials] == [*range(len(trials))]
    assert before.items() <= done(url).items()
    for trial in (trials[number] for number in interrupted):
        assert trial.state == TrialState.FAIL
        (again,) = (t for t in trials if t.system_attrs.get("retry_history", [])[-1:] == [trial.number])
        assert again.system_attrs["failed_trial"] == trial.system_attrs.get("failed_trial", trial.number)
        assert trial.params.items() <= again.params.items()  # it may have been killed before it had any
        assert again.state == TrialState.COMPLETE


@pytest.fixture(scope="module")
def server():
    with servers.postgresql() as begun:
        yield begun


def test_four_commands_share_a_database_and_two_are_killed(server, tmp_path):
    path, hold, url, trials = write(tmp_path), tmp_path / "hold", server.create("killed"), 9
    hold.touch()
    (tmp_path / "let one pass").touch()
    kinds = enumerate((Fresh, Forked, Fresh, Forked))  # of each one is killed, and one goes on
    four = [kind(path, f"worker{n}", "--storage", url, "--trials", trials) for n, kind in kinds]
    with ending(*four) as alive:
        until(lambda: done(url), "a finished trial", alive)
        until(lambda: held(tmp_path) == 4, "four trials that wait", alive)
        at_work, before = running(url), done(url)
        assert len(at_work) == 4
        for command in four[:2]:
            command.kill()
        hold.unlink()
        first, second = (command.chosen() for command in four[2:])
    interrupted = at_work - done(url).keys()
    assert len(interrupted) == 2
    check(url, before, interrupted)
    with looked_at(url) as study:
        assert trials <= len(finished_trials(study)) <= trials + 3
        assert first == second == [study.best_trial.number]


def make_tables(urls, ready):
    """Open each storage in the same moment as everybody else does."""
    for url in urls:
        ready.wait(servers.PATIENCE)
        open_storage(url)


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_four_processes_make_the_tables_at_once(kind, request, tmp_path):
    if kind == "sqlite":
        urls = [sqlite(tmp_path / f"{number}.db") for number in range(3)]
    else:
        urls = [request.getfixturevalue("server").create(f"tables{number}") for number in range(3)]
    ready = FORKS.Barrier(4)
    four = [FORKS.Process(target=make_tables, args=(urls, ready)) for _ in range(4)]
    for process in four:
        process.start()
    for process in four:
        process.join(servers.PATIENCE)
    assert [process.exitcode for process in four] == [0] * 4
    for url in urls:
        with opened(url) as storage, storage.engine.connect() as connection:
            for table in ("alembic_version", "version_info"):
                counted = connection.execute(sqlalchemy.text(f"SELECT count(*) FROM {table}"))
                assert counted.scalar() == 1


def test_a_kill_at_any_moment_loses_no_finished_trial(tmp_path):
    path, chance, known = write(tmp_path), random.Random(0), {}
    url = sqlite(tmp_path / "out" / "study.db")
    for both in ([["--jobs", 2]], [[], []]):  # one command with two workers, then two with one
        with ending(*(Forked(path, "out", "--trials", 1000, *options) for options in both)) as alive:
            enough = len(known) + 1
            until(lambda: len(done(url)) >= enough, "another finished trial", alive)  # noqa: B023 (called here)
            time.sleep(chance.uniform(0, 1))
            before = done(url)
        assert known.items() <= before.items() <= done(url).items()
        known = done(url)
    interrupted = running(url)
    waiting = [trial for trial in trials_of(url) if trial.state == TrialState.WAITING]
    enough = len(known) + len(interrupted) + len(waiting)
    Forked(path, "out", "--trials", enough, "--resume").chosen()
    assert len(done(url)) == enough
    check(url, known, interrupted)


@pytest.fixture
def kept_in(request, tmp_path):
    """The URL of a storage without signs of life."""
    if request.param == "journal":
        yield f"journal://{tmp_path / 'study.log'}"
    else:
        with servers.redis() as url:
            yield url


@pytest.mark.parametrize("kept_in", ["journal", "redis"], indirect=True)
def test_interrupted_trials_are_taken_up_where_there_are_no_signs_of_life(kept_in, tmp_path):
    path, hold = write(tmp_path), tmp_path / "hold"
    asked = ["--storage", kept_in, "--trials", 6]
    hold.touch()
    (tmp_path / "let one pass").touch()
    both = [Forked(path, out, *asked) for out in ("first", "second")]
    with ending(*both) as alive:
        until(lambda: done(kept_in), "a finished trial", alive)
        until(lambda: held(tmp_path) == 2, "two trials that wait", alive)
        before, interrupted = done(kept_in), running(kept_in)
        assert len(interrupted) == 2
    assert running(kept_in) == interrupted
    resumed = Forked(path, "first", *asked, "--resume")
    with ending(resumed) as alive:
        until(lambda: held(tmp_path) == 3, "a trial that is taken up", alive)
        joined = Forked(path, "second", *asked)
        with ending(joined) as alive:
            until(lambda: held(tmp_path) == 4, "another one", alive)
            hold.unlink()
            assert resumed.chosen() == joined.chosen()
    check(kept_in, before, interrupted)
    assert 6 <= len(done(kept_in)) <= 7
    assert done(sqlite(tmp_path / "second" / "study.db")).items() <= done(kept_in).items()


def test_a_worker_that_slept_too_long_goes_on(tmp_path):
    path, hold, url = write(tmp_path), tmp_path / "hold", sqlite(tmp_path / "study.db")
    asked = ["--storage", url, "--trials", 3]
    hold.touch()
    slept = Forked(path, "slept", *asked)
    with ending(slept) as alive:
        until(lambda: held(tmp_path), "a trial that waits", alive)
        os.kill(slept.process.pid, signal.SIGSTOP)
        hold.unlink()
        chosen = Forked(path, "other", *asked).chosen()
        before = done(url)
        os.kill(slept.process.pid, signal.SIGCONT)
        assert slept.chosen() == chosen
    check(url, before, [0])
    assert done(url) == before


def test_who_died_before_a_first_sign_of_life_is_not_waited_for(tmp_path):
    path, url = write(tmp_path), sqlite(tmp_path / "study.db")
    Forked(path, "first", "--storage", url, "--trials", 1).chosen()
    with looked_at(url) as study, pytest.warns(UserWarning, match="Heartbeat of storage"):
        study.ask()
    Forked(path, "second", "--storage", url, "--trials", 2).chosen()
    assert [trial.state.name for trial in trials_of(url)] == ["COMPLETE", "RUNNING", "COMPLETE"]


def test_what_was_interrupted_is_tried_again_though_there_are_enough_trials(tmp_path):
    path, url = write(tmp_path), sqlite(tmp_path / "study.db")
    Forked(path, "first", "--storage", url, "--trials", 1).chosen()
    before = done(url)
    with looked_at(url) as study, pytest.warns(UserWarning, match="Heartbeat of storage"):
        study.ask()
    Forked(path, "second", "--storage", url, "--trials", 1, "--resume").chosen()
    check(url, before, [1])


def test_a_server_that_is_away_is_waited_for(server, tmp_path):
    path, hold, url = write(tmp_path), tmp_path / "hold", server.create("stopped")
    command = Forked(path, "out", "--storage", url, "--trials", 8)
    with ending(command) as alive:
        until(lambda: done(url), "a finished trial", alive)
        hold.touch()
        until(lambda: held(tmp_path), "a trial that waits", alive)
        before = done(url)
        server.stop()
        try:
            until(command.complaints.read_text, "a line", alive)
            hold.unlink()
            time.sleep(1)  # the trial is over, and has nowhere to say so
        finally:
            server.start()
        assert command.status() == 0
    line = "the database does not answer; waiting, tried again in 2 s\n"
    assert command.complaints.read_text() == line
    assert before.items() <= done(url).items()
    assert [trial.state for trial in trials_of(url)] == [TrialState.COMPLETE] * 8


NO_STORAGE = (
    "ConfigError: storage: '{url}' is no storage; expected one such as sqlite:///study.db, "
    "postgresql://user@host/name, journal:///folder/study.log or redis://host:6379"
)
NO_DRIVER = (
    'ConfigError: storage: {url}: its driver is not installed ({why}); pip install "affect[studies]" brings '
    "that of PostgreSQL"
)
NO_ANSWER = (
    'ConfigError: storage: {url} does not answer: connection failed: connection to server at "127.0.0.1", '
    "port {port} failed: Connection refused"
)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("study.db", NO_STORAGE.format(url="study.db")),
        ("alice:secret@host", NO_STORAGE.format(url="alice:***@host")),
        ("postgresql://alice:secret@host:port/name", NO_STORAGE.format(url="postgresql://alice:***@host:port/name")),
        ("postgresql://alice:a/b:c@d@host:port/name", NO_STORAGE.format(url="postgresql://alice:***@host:port/name")),
        ("mysql+mysqldb://alice:a@b/c:d@host/name", NO_DRIVER.format(url="mysql+mysqldb://alice:***@host/name", why="No module named 'MySQLdb'")),
        ("redis://:sec/ret@127.0.0.1:{port}", NO_STORAGE.format(url="redis://:***@127.0.0.1:{port}")),
        ("tape://alice:secret@host/name", "ConfigError: storage: tape://alice:***@host/name: Can't load plugin: sqlalchemy.dialects:tape"),
        ("mysql+mysqldb://alice:secret@host/name", NO_DRIVER.format(url="mysql+mysqldb://alice:***@host/name", why="No module named 'MySQLdb'")),
        ("sqlite://", "ConfigError: storage: sqlite:// names no file; workers share one, as in sqlite:///study.db"),
        ("sqlite:////nowhere/study.db", "ConfigError: storage: sqlite:////nowhere/study.db does not answer: unable to open database file"),
        ("journal:///nowhere/study.log", "ConfigError: storage: journal:///nowhere/study.log: No such file or directory"),
        ("journal:///tmp", "ConfigError: storage: journal:///tmp is a folder; name a file in it, as in journal:///tmp/study.log"),
        ("postgresql://alice:secret@127.0.0.1:{port}/name", NO_ANSWER.format(url="postgresql://alice:***@127.0.0.1:{port}/name", port="{port}")),
        ("redis://:secret@127.0.0.1:{port}", "ConfigError: storage: Redis does not answer: Error 111 connecting to 127.0.0.1:{port}. Connection refused."),
        ("redis://:secret@127.0.0.1:port", NO_STORAGE.format(url="redis://:***@127.0.0.1:port")),
    ],
)  # fmt: skip
def test_no_storage(url, message, tmp_path):
    for driver in {"postgresql": "psycopg", "redis": "redis"}.items():
        if url.startswith(driver[0]):
            pytest.importorskip(driver[1], reason=f"{driver[1]} is not installed")
    port = servers.free_port()
    with pytest.raises(SystemExit) as refused:
        main(
            ["tune", str(write(tmp_path)), "--out", str(tmp_path / "out"), "--storage", url.format(port=port)]
        )
    assert refused.value.code == message.format(port=port)


@pytest.mark.parametrize(
    ("url", "module", "message"),
    [
        ("postgresql://host/name", "psycopg", NO_DRIVER.format(url="postgresql://host/name", why="import of psycopg halted; None in sys.modules")),
        ("redis://host", "redis", 'ConfigError: storage: redis is not installed; pip install "affect[studies]"'),
    ],
)  # fmt: skip
def test_no_driver(url, module, message, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as refused:
        open_storage(url)
    assert f"ConfigError: {refused.value}" == message


def test_no_study_to_resume(tmp_path):
    command = Forked(write(tmp_path), "out", "--storage", sqlite(tmp_path / "study.db"), "--resume")
    assert command.status() == 1
    assert re.fullmatch(
        r"ConfigError: tune: no study 'small-\w+' to resume; the configuration or the storage is another one, "
        r"or it was not begun: leave --resume out\n",
        command.complaints.read_text(),
    )


def answer(port, path):
    """What a server of this machine says, as JSON."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=servers.PATIENCE) as said:
        return json.load(said)


def test_a_dashboard_shows_the_study(tmp_path):
    program = shutil.which("optuna-dashboard", path=os.path.dirname(sys.executable))
    if program is None:
        pytest.skip("optuna-dashboard is not installed")
    command = Forked(write(tmp_path), "out", "--trials", 3)
    (best,), url, port = command.chosen(), sqlite(command.out / "study.db"), servers.free_port()
    with (tmp_path / "dashboard").open("w") as said:
        dashboard = subprocess.Popen(
            [program, url, "--host", "127.0.0.1", "--port", str(port)], stdout=said, stderr=said
        )
    try:
        until(lambda: servers.answers(port), "optuna-dashboard", lambda: dashboard.poll() is None)
        (listed,) = answer(port, "/api/studies")["study_summaries"]
        shown = answer(port, f"/api/studies/{listed['study_id']}")
    finally:
        dashboard.kill()
        dashboard.wait()
    assert listed["study_name"] == json.loads((command.out / "search.json").read_text())["study"]
    assert (shown["directions"], shown["objective_names"]) == (["minimize"], ["mae"])
    assert {t["number"]: t["values"] for t in shown["trials"]} == {n: v for n, (_, v) in done(url).items()}
    assert [t["number"] for t in shown["best_trials"]] == [best]
