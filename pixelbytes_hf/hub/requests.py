"""What sending to the Hub and fetching from it share: which failures pass, how long to wait, what to tell the user.

A request fails either in passing (the connection broke, the Hub is busy or faulty: try again) or for good (the token,
the name, the rights: a person has to act). `persistently` tries again in the first case and ends in one sentence in
the second. What came over is judged by hashes, never by a status.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TypeVar

from httpx2 import TransportError
from huggingface_hub import HfApi
from huggingface_hub.constants import DEFAULT_REVISION
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# a conflict passes, because every new try starts from the newest commit: 409 and 412 say that another was faster
PASSING_STATUSES = (408, 409, 412, 429)
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
# what a broken connection raises; Xet's own client raises Python's errors
BROKEN = (TransportError, ConnectionError, TimeoutError)
_XET_STATUS = re.compile(r"HTTP status (?:client|server) error \((\d{3})")
# a Hub that asks for more patience than this gets none: the user is told instead
LONGEST_RETRY_AFTER_SECONDS = 300.0


class HubError(OSError):
    """A transfer that did not happen, told in a sentence that a person can act on."""

    is_passing = False


def newest_commit(api: HfApi, repo_id: str, repo_type: str, revision: str | None) -> str:
    """Return the commit that a branch or tag points to; None stands for `main`."""
    commit = api.repo_info(repo_id, repo_type=repo_type, revision=revision).sha
    if commit is None:
        raise HubError(f"{repo_id}: the Hub does not tell the commit of {revision or 'main'}; call again later")
    return commit


def remote_files(
    repo_id: str, repo_type: str, *, revision: str | None = None, num_retries: int = 5, token: str | None = None
) -> list[str]:
    """Return the paths of a repository's files; none of one that is still to be made.

    Args:
        repo_id: Repository, ``user/name``.
        repo_type: "model", "dataset" or "space".
        revision: Branch; one that is still to be made begins as `main` is. None for `main`.
        num_retries: How often to try again.
        token: Of the Hub; by default the one that is logged in.

    Raises:
        HubError: If the Hub refuses or stays out of reach.
    """
    api = HfApi(token=token)

    def ask() -> list[str]:
        for name in (revision or DEFAULT_REVISION, DEFAULT_REVISION):
            try:
                return api.list_repo_files(repo_id, repo_type=repo_type, revision=name)
            except RevisionNotFoundError:
                continue
            except RepositoryNotFoundError as error:
                if error.response.status_code != HTTPStatus.NOT_FOUND:  # the library takes a refused token for absence
                    raise
        return []

    return persistently(ask, num_retries=num_retries, subject=repo_id)


def persistently(action: Callable[[], Result], *, num_retries: int, subject: str) -> Result:
    """Return what `action` returns, trying again while its failures may pass.

    Args:
        action: What to do; may be called several times.
        num_retries: How often to try again, at least 0.
        subject: What the messages are about, such as "user/name".

    Returns:
        The result of `action`.

    Raises:
        HubError: If a failure does not pass, or lasts longer than the tries.
        ValueError: If `num_retries` is negative.
    """
    if num_retries < 0:
        raise ValueError(f"num_retries must be at least 0, got {num_retries}")
    attempt = 0
    while True:
        try:
            return action()
        except HFValidationError:
            raise
        except Exception as error:
            wait = _seconds_to_wait(error, attempt)
            if wait is None or attempt >= num_retries:
                if isinstance(error, HubError):
                    raise
                raise HubError(explain(error, subject)) from error
            logger.warning("%s: %s; trying again in %.0f s", subject, _first_line(error), wait)
            time.sleep(wait)
            attempt += 1


def explain(error: BaseException, subject: str) -> str:
    """Return a sentence that says what failed and what to do about it.

    Args:
        error: What was raised.
        subject: What it is about, such as "user/name".

    Returns:
        The sentence.

    Example:
        >>> explain(OfflineModeIsEnabled("no"), "user/name")
        'user/name: HF_HUB_OFFLINE is set, so the Hub is not asked; unset it to publish or fetch'
    """
    status = _status_of(error)
    if any(isinstance(one, OfflineModeIsEnabled) for one in _chain(error)):
        return f"{subject}: HF_HUB_OFFLINE is set, so the Hub is not asked; unset it to publish or fetch"
    if status == 401:
        return f"{subject}: the Hub does not accept the token, or there is none; run `hf auth login` or set HF_TOKEN"
    if status == 403:
        return f"{subject}: the token has no right to do this; use one that may write there, or another owner's name"
    if status == 404 and "xet-write-token" in _first_line(error):
        return f"{subject}: this Hub has no Xet storage; set HF_HUB_DISABLE_XET=1 and call again"
    if status == 404:
        return f"{subject}: the Hub does not know it; check owner, name, type and revision ({_first_line(error)})"
    if status in (409, 412):
        return f"{subject}: others write to it at the same time ({_first_line(error)}); call again"
    if status == 429:
        return f"{subject}: the Hub refuses more requests for now (429); wait some minutes and call again"
    if status is not None and status >= 500:
        return f"{subject}: the Hub is faulty ({status}) and stayed so over all tries; call again later"
    if any(isinstance(one, BROKEN) for one in _chain(error)):
        return f"{subject}: the connection to the Hub broke ({_first_line(error)}); check the network and call again"
    return f"{subject}: {type(error).__name__}: {' '.join(str(error).split())}"


def _seconds_to_wait(error: BaseException, attempt: int) -> float | None:
    """Return how long to wait before the next try, None if there is no use in one."""
    status = _status_of(error)
    is_passing = getattr(error, "is_passing", False)
    if status is not None:
        is_passing = status in PASSING_STATUSES or status >= 500
    elif any(isinstance(one, BROKEN) and not isinstance(one, OfflineModeIsEnabled) for one in _chain(error)):
        is_passing = True
    if not is_passing:
        return None
    asked = _retry_after_seconds(error)
    if asked > LONGEST_RETRY_AFTER_SECONDS:
        return None
    return max(asked, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**attempt))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from; the library wraps the failures of its threads."""
    while error is not None:
        yield error
        error = error.__cause__


def _status_of(error: BaseException) -> int | None:
    for one in _chain(error):
        if isinstance(one, HfHubHTTPError) and one.response is not None:
            return one.response.status_code
        if isinstance(one, ConnectionError) and (match := _XET_STATUS.search(str(one))):
            return int(match[1])
    return None


def _retry_after_seconds(error: BaseException) -> float:
    for one in _chain(error):
        if isinstance(one, HfHubHTTPError) and one.response is not None:
            asked = one.response.headers.get("Retry-After", "").strip()
            # the other form, a date, is left to the growing waits; "²" is a digit and no decimal
            return float(asked) if asked.isdecimal() else 0.0
    return 0.0


def _first_line(error: BaseException) -> str:
    """Return the Hub's own words if there are any, else the first line of what was raised first."""
    said = [one.server_message for one in _chain(error) if isinstance(one, HfHubHTTPError) and one.server_message]
    root = list(_chain(error))[-1]
    lines = [line.strip() for line in (said[0] if said else str(root)).splitlines() if line.strip()]
    return lines[0] if lines else type(root).__name__
