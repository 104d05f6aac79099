"""The random session for a while (soak.py); `./dev soak` goes on for an hour, with other seeds."""

import unittest

from soak import soak

SECONDS, SEED = 40, 2026


class Soak(unittest.TestCase):
    def test_a_random_session_leaves_no_trace(self):
        self.assertTrue(soak(SECONDS, SEED))


if __name__ == "__main__":
    unittest.main()
