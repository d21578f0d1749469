#!/usr/bin/env python3
"""What remote.sh asks a simulated host for. HOST.json is the first line that esxi-sim prints.

    lab.py variables HOST.json
        ports, thumbprints, machine and disk as assignments for a shell
    lab.py snapshot HOST.json PASSWORD
        makes a snapshot of the first machine, and prints its id
    lab.py session HOST.json PASSWORD
        logs in, and prints the value of the session's cookie
    lab.py tell HOST.json COMMAND.json
        sends a line to the control socket
"""

import http.cookiejar
import json
import re
import shlex
import socket
import ssl
import sys
import urllib.request
from xml.sax.saxutils import escape

ENVELOPE = (
    '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
    '<{0} xmlns="urn:vim25">{1}</{0}></Body></Envelope>'
)


def variables(host):
    """What a client is configured with."""
    machine = host["vms"][0]
    values = {
        "soap_port": host["soap_port"],
        "authd_port": host["authd_port"],
        "sha1": host["thumbprint_sha1"],
        "sha256": host["thumbprint_sha256"],
        "vm": machine["id"],
        "uuid": machine["uuid"],
        "disk_path": machine["disks"][0],
    }
    for name, value in values.items():
        print(f"{name}={shlex.quote(str(value))}")


class Soap:
    """Calls by hand: the client of management must not be the one that is tested."""

    def __init__(self, host):
        self.url = f"https://{host['address']}:{host['soap_port']}/sdk"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def call(self, method, inside):
        """The answer as text."""
        body = ENVELOPE.format(method, inside).encode()
        headers = {"Content-Type": "text/xml", "SOAPAction": "urn:vim25/7.0"}
        request = urllib.request.Request(self.url, body, headers)
        with self.opener.open(request, timeout=30) as answer:
            return answer.read().decode()

    def login(self, password):
        """What the server has, once logged in."""
        content = self.call("RetrieveServiceContent", '<_this type="ServiceInstance">ServiceInstance</_this>')
        manager = re.search(r"<sessionManager[^>]*>([^<]+)", content)[1]
        this = f'<_this type="SessionManager">{manager}</_this>'
        self.call("Login", f"{this}<userName>root</userName><password>{escape(password)}</password>")
        return content


def session(host, password):
    """Logs in, and stays so."""
    soap = Soap(host)
    soap.login(password)
    print(next(cookie.value for cookie in soap.cookies if cookie.name == "vmware_soap_session"))


def snapshot(host, password):
    """Makes a snapshot of the first machine."""
    soap = Soap(host)
    collector = re.search(r"<propertyCollector[^>]*>([^<]+)", soap.login(password))[1]
    this = f'<_this type="VirtualMachine">{host["vms"][0]["id"]}</_this>'
    wanted = "<name>backup</name><memory>false</memory><quiesce>false</quiesce>"
    task = re.search(r"<returnval[^>]*>([^<]+)", soap.call("CreateSnapshot_Task", this + wanted))[1]
    this = f'<_this type="PropertyCollector">{collector}</_this>'
    wanted = (
        "<specSet><propSet><type>Task</type><pathSet>info.result</pathSet></propSet>"
        f'<objectSet><obj type="Task">{task}</obj></objectSet></specSet><options></options>'
    )
    answer = soap.call("RetrievePropertiesEx", this + wanted)
    print(re.search(r"<val[^>]*>([^<]+)", answer)[1])


def tell(host, command):
    """Sends a line to the control socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(30)
        control.connect(host["control"])
        control.sendall(command.encode() + b"\n")
        answer = control.makefile().readline()
    assert "error" not in answer, answer


def main():
    """Runs a command."""
    commands = {"variables": variables, "session": session, "snapshot": snapshot, "tell": tell}
    with open(sys.argv[2], encoding="utf-8") as file:
        host = json.load(file)
    commands[sys.argv[1]](host, *sys.argv[3:])


main()
