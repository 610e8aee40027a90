"""From labelled images to a model folder in one call: split, plan, train, export, tune, judge, report."""
