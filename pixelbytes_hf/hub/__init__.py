"""Transfers to and from the Hub: requests that are repeated, uploads in one commit, downloads compared by hash."""
