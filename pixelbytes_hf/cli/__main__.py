"""``python -m pixelbytes_hf.cli``, for launchers such as torchrun that want a module."""

import sys

from .main import main

sys.exit(main())
