"""`python -m mtv_perception.demo`."""

from mtv_perception.demo.main import main

if __name__ == "__main__":
    raise SystemExit(main())
