"""The page at /, as the browser gets it: HTML, styles and ES modules. `service.routes.page` sends them."""
