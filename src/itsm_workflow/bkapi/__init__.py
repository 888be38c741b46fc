"""The client of BlueKing's API gateways: endpoints as data, and one function that calls any of them."""
