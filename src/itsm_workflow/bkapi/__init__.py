"""The client of BlueKing's API gateways: endpoints are data, and one function calls any of them."""
