"""What the web chat is set to: who vouches for its people depends on where it runs."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from shared.settings import EnvironmentSettings


class SignIn(StrEnum):
    """Who says who a person is."""

    COOKIE = "cookie"
    """This machine: a signed cookie per browser, and a token in the data folder for the terminal."""
    PLATFORM = "platform"
    """App Service authentication, whose headers nobody outside can set."""
    OFF = "off"
    """Nobody: the chat is closed."""


class WebSettings(EnvironmentSettings):
    """The variables are the platform's own, except those that start with PRAXOS."""

    platform_sign_in: bool = Field(
        False, alias="WEBSITE_AUTH_ENABLED", description="Set by App Service when its authentication is on."
    )
    instance: str = Field("", alias="WEBSITE_INSTANCE_ID", description="Set by App Service.")
    plan: str = Field("", alias="WEBSITE_SKU", description="Set by the Flex Consumption plan of Azure Functions.")
    worker: str = Field("", alias="FUNCTIONS_WORKER_RUNTIME", description="Set wherever the Functions host runs.")
    functions_environment: str = Field(
        "", alias="AZURE_FUNCTIONS_ENVIRONMENT", description="Development under Core Tools."
    )
    sign_in_path: str = Field(
        "/.auth/login/aad",
        alias="PRAXOS_WEB_SIGN_IN",
        description="Where App Service authentication signs people in to the web chat.",
    )
    origin: str = Field(
        "",
        alias="PRAXOS_WEB_ORIGIN",
        pattern=r"^https?://[^/]+$",
        description="Where people open the web chat, such as https://chat.example.org, if a proxy in front changes the Host header.",
    )

    @property
    def sign_in(self) -> SignIn:
        """Closed unless somebody vouches: in Azure the platform, elsewhere the loopback interface and a cookie."""
        if self.platform_sign_in:
            return SignIn.PLATFORM
        hosted = self.instance or self.plan
        if hosted or (self.worker and self.functions_environment != "Development"):
            return SignIn.OFF
        return SignIn.COOKIE
