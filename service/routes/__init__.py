"""The endpoints, a file for each kind of question."""

from service.routes import classify, embed, health, models, similar

ROUTERS = tuple(module.router for module in (classify, similar, embed, models, health))
