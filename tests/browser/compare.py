#!/usr/bin/env python3
"""The page that compares transports, in Chromium: what tests/browser/compare.js does. Usage: compare.py EXAMPLES TESTS

Exits with 77 when something that it needs is not there.
"""
from chat import main

main("compare.js", "compare_transports")
