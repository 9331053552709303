"""Limits of the demo: sizes of uploads and drawings, how many visitors are served at once, what is kept of a visit."""

from ..media.media_limits import MediaLimits

UPLOAD_LIMITS = MediaLimits(max_file_bytes=8 * 2**20)  # of a picture or sound file
MAX_SENTENCE_LENGTH = 400  # letters
MAX_DRAWING_SIDE = 64  # pixels
MAX_DRAWING_FRAMES = 32
MAX_QUEUED_REQUESTS = 32  # a request after them is refused
MAX_GENERATING = 2  # requests that the model works on together
MAX_STREAMING = 8  # requests that are shown together: showing a record takes longer than making it
MAX_SESSIONS = 200  # visits remembered, of 100 to 200 kB each; the oldest is forgotten first
MAX_FILE_AGE_SECONDS = 3600  # of uploads and downloads
