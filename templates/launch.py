"""The file that the Flex Templates' launcher runs: FLEX_TEMPLATE_PYTHON_PY_FILE."""

from pipeline.commands.flex_template import launch

if __name__ == "__main__":
    launch()
