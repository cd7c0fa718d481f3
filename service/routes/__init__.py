"""The endpoints, a file for each kind of question."""

from service.routes import admin, batch, classify, embed, health, inference, metrics, models, similar

_MODULES = (classify, similar, embed, batch, inference, models, admin, health, metrics)
ROUTERS = tuple(module.router for module in _MODULES)
