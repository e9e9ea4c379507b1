"""Which version of a registered model is the champion: rules, decisions, and the way back.

The order of work: `contenders` finds who competes, `comparison` is what was measured, `verdict` judges it by `config`,
`case` keeps all of it in MLflow while a person thinks about it, `decide` moves the aliases and says who wanted it so.
"""
