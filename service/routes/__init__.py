"""The endpoints, a file for each kind of question."""

from service.routes import (
    admin,
    batch,
    classify,
    embed,
    fonts,
    health,
    inference,
    jobs,
    metrics,
    models,
    similar,
)

_MODULES = (classify, similar, embed, batch, fonts, jobs, inference, models, admin, health, metrics)
ROUTERS = tuple(module.router for module in _MODULES)
