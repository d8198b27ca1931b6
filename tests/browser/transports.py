#!/usr/bin/env python3
"""One room of the chat over every transport, in Chromium: what tests/browser/transports.js does. Usage: transports.py EXAMPLES
TESTS

Exits with 77 when something that it needs is not there.
"""
from chat import main

main("transports.js")
