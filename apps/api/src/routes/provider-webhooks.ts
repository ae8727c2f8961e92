import { AppError } from '@darkroom/shared/domain';
import { verifyWebhook } from '@darkroom/shared/webhooks';
import express, { Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { bodyBudget } from '../http/body-budget.ts';

/** Providers say little more than that something has happened. */
const BODY_BYTES_MAX = 65_536;
/** Of all bodies at one time: they are read before it is known who sends them. */
const BODIES_BYTES_MAX = 64 * BODY_BYTES_MAX;

/**
 * A provider's word that a batch of its is over. It only wakes: what it says is not even read, and the poller looks for
 * itself. Known by its signature, so it needs no API key.
 */
export function providerWebhooksRouter({ providerWebhook, clock }: Pick<ApiDeps, 'providerWebhook' | 'clock'>): Router {
  const configured = () => {
    if (providerWebhook) return providerWebhook;
    throw new AppError('not_found', {
      message: 'No webhooks are taken here.',
      fix: 'The operator sets GEMINI_WEBHOOK_SECRET to have them taken.',
    });
  };
  const router = Router();
  router.post(
    '/gemini',
    (_req, _res, next) => {
      configured();
      next();
    },
    bodyBudget({ totalBytes: BODIES_BYTES_MAX, largest: BODY_BYTES_MAX }),
    express.raw({ type: () => true, limit: BODY_BYTES_MAX, inflate: false }),
    async (req, res) => {
      const { secret, wake } = configured();
      const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
      const verified = verifyWebhook({ headers: req.headers, body }, secret.reveal(), clock.now());
      if (verified.type === 'refused') throw unverified(verified.reason);
      await wake(verified.id);
      res.status(204).end();
    },
  );
  return router;
}

function unverified(reason: string): AppError {
  return new AppError('unauthenticated', {
    message: `The webhook cannot be verified: ${reason}.`,
    fix: 'Register this address as a static webhook, and set GEMINI_WEBHOOK_SECRET to its signing secret; those that come with a batch, signed by a JWT, are not taken.',
  });
}
