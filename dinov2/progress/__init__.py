"""Progress with rate and time left: a bar on a terminal, a plain line now and then elsewhere, a file for others."""

from dinov2.progress.channel import CHANNEL, Channel, Told, read, relay
from dinov2.progress.shown import Progress, progress, track

__all__ = ["CHANNEL", "Channel", "Progress", "Told", "progress", "read", "relay", "track"]
