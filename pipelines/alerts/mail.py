"""Send alerts as e-mail."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import tenacity

from pipelines.alerts.alert import Alert
from pipelines.alerts.limits import MAX_RETRY_SECONDS, MAX_TRIES, SENT, TIMEOUT_SECONDS
from pipelines.config.alerts import EmailTarget

_TEMPORARY = range(400, 500)


def send_mail(alert: Alert, target: EmailTarget, password: str) -> str:
    """Send an alert to all recipients; return `SENT`, or begin with it if some were refused.

    Raises:
        smtplib.SMTPException: the mail server refused it.
        OSError: the mail server cannot be reached, or its certificate is not valid.
        ValueError: the password has letters that cannot be sent, or no certificate can be loaded.
    """
    message = EmailMessage()
    message["Subject"] = alert.title
    message["From"] = target.sender
    message["To"] = ", ".join(target.recipients)
    message["Date"] = formatdate()
    # The same in each try: a mailbox shows a repeated message once.
    message["Message-ID"] = make_msgid(domain=target.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    head = f"\nHead of its history: {alert.head_sha256}\n" if alert.head_sha256 else ""
    message.set_content(f"{alert.title}\n\n{alert.cause}\n\n{alert.remedy}\n{head}")
    refused = _deliver(message, target, password)
    count = len(target.recipients)
    return (
        f"{SENT}, but the mail server refused {refused} of {count} recipients" if refused else SENT
    )


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code in _TEMPORARY
    return isinstance(error, ConnectionError | smtplib.SMTPServerDisconnected)


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_temporary),
    stop=tenacity.stop_after_attempt(MAX_TRIES) | tenacity.stop_after_delay(MAX_RETRY_SECONDS),
    wait=tenacity.wait_exponential(multiplier=0.5),
    reraise=True,
)
def _deliver(message: EmailMessage, target: EmailTarget, password: str) -> int:
    """Return the number of refused recipients; if all are refused, that is an error."""
    with smtplib.SMTP(target.host, target.port, timeout=max(TIMEOUT_SECONDS)) as server:
        if target.starttls:
            server.starttls(context=ssl.create_default_context(cafile=target.ca_bundle))
        if target.user:
            server.login(target.user, password)
        return len(server.send_message(message))
