import { Clock, type ErrorCode, QuaysideError, isQuaysideError } from '@app/core';
import { requestContext } from '@app/observability';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { Request, Response } from 'express';
import { hasBody } from './body';
import { HTTP_ERRORS } from './http-errors';
import { asQuaysideError, renderError, sendRendered } from './render-error';
import { Routes } from './routes';
import { isUnread, sendAndLinger } from './unread-body';

/** What an exception of Nest or Express means. The page at /docs is made of files, and their server has more to refuse. */
const CODES_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'malformed_http',
  408: 'request_timeout',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  503: 'not_ready',
};

/** Renders whatever is thrown above Express, by a controller, guard, pipe, middleware or the router, in the one error shape. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger(ErrorFilter.name);

  constructor(
    private readonly routes: Routes,
    private readonly clock: Clock,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    if (response.headersSent || response.destroyed) return this.miss(thrown, response);
    const error = asQuaysideError(thrown instanceof HttpException ? this.translate(thrown, request, response) : thrown);
    const log = requestContext(request);
    log.errorCode = error.code;
    this.report(error, log.requestId);
    if (error.code === 'unsupported_encoding') sayEncodings(response);
    this.send(request, response, error);
  }

  /** The client is gone, or was answered already: below Express when what it sent broke, or by a stop. */
  private miss(thrown: unknown, response: Response): void {
    const context = requestContext(response.req);
    if (isQuaysideError(thrown)) context.errorCode ??= thrown.code;
    // Whoever writes into an answer that has gone out gets an error, which is no defect.
    if (response.writableEnded) return;
    if (!(thrown instanceof HttpException)) this.report(asQuaysideError(thrown), context.requestId);
    response.destroy();
  }

  /** A client is not told what lies behind a failure of ours; whoever runs the server finds it by the request's id. */
  private report({ code, cause }: QuaysideError, requestId: string): void {
    if (cause === undefined || HTTP_ERRORS[code].status < 500) return;
    const line = { event: 'request_failed', err: cause, request_id: requestId, error_code: code };
    if (code === 'internal') this.logger.error({ ...line, msg: 'A request met a defect.' });
    else this.logger.warn({ ...line, msg: 'A request failed on our side.' });
  }

  private send(request: Request, response: Response, error: QuaysideError): void {
    const rendered = renderError(error, requestContext(request));
    if (isUnread(request)) return sendAndLinger(request, response, rendered, this.clock);
    if (hasBody(request) && !request.readableEnded) response.setHeader('Connection', 'close');
    sendRendered(response, rendered);
  }

  private translate(thrown: HttpException, request: Request, response: Response): unknown {
    const status = thrown.getStatus();
    if (status === 404) return this.unmatched(request, response);
    const code = CODES_BY_STATUS[status] ?? (status < 500 ? 'invalid_request' : 'internal');
    return new QuaysideError(code, sentence(thrown), { cause: thrown });
  }

  /** No controller throws Nest's own 404, so the router found no route: the path is unknown, broken, or lacks the method. */
  private unmatched({ path, method }: Request, response: Response): QuaysideError {
    if (!isDecodable(path)) return new QuaysideError('malformed_http', 'The path has a broken percent-encoding.');
    const methods = this.routes.methodsOf(path);
    if (methods.length === 0 || methods.includes(method))
      return new QuaysideError('route_not_found', 'No route has this path. GET /openapi.json lists all.');
    response.setHeader('Allow', methods.join(', '));
    return new QuaysideError('method_not_allowed', `This path does not take ${method}, but ${methods.join(', ')}.`);
  }
}

/** Unless the route takes others, and has said so. */
function sayEncodings(response: Response): void {
  if (!response.hasHeader('Accept-Encoding')) response.setHeader('Accept-Encoding', 'gzip, deflate');
}

function sentence(thrown: HttpException): string {
  return thrown.cause instanceof URIError ? 'The path has a broken percent-encoding.' : thrown.message;
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
