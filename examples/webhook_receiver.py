# pip install standardwebhooks; WEBHOOK_SECRET=whsec_… python3 webhook_receiver.py
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))  # Raw, before anybody parses it.
        try:
            event = webhook.verify(body, dict(self.headers))
            print(self.headers["webhook-id"], event["type"], event["data"]["id"], flush=True)  # Skip ids you have had.
            self.send_response(204)
        except WebhookVerificationError:
            self.send_response(400)
        self.end_headers()


HTTPServer(("127.0.0.1", int(os.environ.get("PORT", 3000))), Receiver).serve_forever()
