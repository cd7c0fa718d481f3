"""The endpoints, a file for each kind of question."""

from service.routes import (
    admin,
    batch,
    classify,
    documents,
    embed,
    fonts,
    health,
    identify,
    inference,
    jobs,
    metrics,
    models,
    page,
    primitives,
    protocol,
    similar,
)

_MODULES = (
    classify, similar, embed, primitives, batch, identify, documents, fonts, jobs, protocol, inference,
    models, admin, health, metrics, page,
)  # fmt: skip
ROUTERS = tuple(module.router for module in _MODULES)
