using System.Buffers;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;

namespace BillingMigration.Transfer;

/// <summary>
/// DynamoDB's low-level API (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html) for the hot path: bytes
/// in, bytes out, signed, without an object model in between.
/// </summary>
internal sealed class DynamoDbHttp : IDisposable
{
    private const int UnacknowledgedMilliseconds = 10_000;
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(1);

    private const string TableApi = "DynamoDB_20120810";
    private static readonly MediaTypeHeaderValue Json = new("application/x-amz-json-1.0");

    private readonly HttpMessageInvoker http;
    private readonly Uri endpoint;
    private readonly string host;
    private readonly AWSCredentials credentials;
    private readonly SigV4Signer signer;
    private readonly TimeProvider time;
    private readonly TimeSpan attemptTimeout;
    private readonly string targetPrefix;
    private volatile ImmutableCredentials? last;
    private long clockTicks;

    /// <param name="api">Name and version of the API: the table's, or <c>DynamoDBStreams_20120810</c>.</param>
    /// <param name="network">Makes what requests are sent through; null: connections of the machine.</param>
    public DynamoDbHttp(Uri endpoint, string region, AWSCredentials credentials, RetryPolicy policy, TimeProvider time, string api = TableApi, Func<HttpMessageHandler>? network = null)
    {
        targetPrefix = api + ".";
        this.endpoint = new Uri(endpoint, "/");
        host = endpoint.Authority;
        this.credentials = credentials;
        this.time = time;
        attemptTimeout = policy.AttemptTimeout;
        signer = new SigV4Signer(region, "dynamodb");
        http = new HttpMessageInvoker(network?.Invoke() ?? CreateHandler(endpoint, policy.ConnectTimeout));
    }

    /// <summary>A handler that speaks TLS 1.2 or newer, and follows DNS changes of the endpoint within minutes.</summary>
    public static SocketsHttpHandler CreateHandler(Uri endpoint, TimeSpan connectTimeout) => new()
    {
        SslOptions = new SslClientAuthenticationOptions { EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13 },
        ConnectTimeout = connectTimeout,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(50),
        MaxConnectionsPerServer = 512,
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = !endpoint.IsLoopback,
        ActivityHeadersPropagator = null,
        ConnectCallback = ConnectAsync,
    };

    /// <summary>
    /// A connection that is given up takes back what it has not sent: it is reset, not closed, and bytes that are not acknowledged do not outlive an attempt. A request that nobody
    /// waits for must not arrive behind a newer one.
    /// </summary>
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, LingerState = new LingerOption(true, 0) };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            if (OperatingSystem.IsLinux())
            {
                // TCP_USER_TIMEOUT of tcp(7), in milliseconds. Not before: .NET 8 tries no second address with a socket that has options it does not know.
                socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, 18, BitConverter.GetBytes(UnacknowledgedMilliseconds));
            }

            // Who is at the other end is asked for once more where nobody expects an error: what is known by then is not asked.
            _ = socket.RemoteEndPoint;
            return new ResettingStream(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A <see cref="NetworkStream"/> shuts its socket down before it closes it: the bytes that wait would be sent first. This one resets the connection at once.</summary>
    private sealed class ResettingStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                Socket.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    /// <summary>One attempt.</summary>
    /// <exception cref="HttpRequestException">The connection failed.</exception>
    /// <exception cref="IOException">The answer broke off.</exception>
    /// <exception cref="TimeoutException">No complete answer within the attempt's time.</exception>
    /// <param name="attemptTime">How long the answer's beginning may take; once it comes, any pause in it. Null: the policy's.</param>
    public async ValueTask<DynamoDbReply> SendAsync(string operation, ReadOnlyMemory<byte> body, TimeSpan? attemptTime, CancellationToken cancellationToken)
    {
        var longest = attemptTime ?? attemptTimeout;
        using var timeout = new CancellationTokenSource(longest, time);
        using var registration = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), timeout);
        try
        {
            using var request = CreateRequest(operation, body, await OwnerAsync(timeout.Token));
            using var response = await http.SendAsync(request, timeout.Token);
            LearnClock(response);
            return await DynamoDbReply.ReadAsync(response, timeout, longest);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"No answer within {longest.TotalSeconds:0.#} s.", e);
        }
    }

    /// <summary>What gives credentials (STS, a metadata service) may be away for a moment, as the network may.</summary>
    private async ValueTask<ImmutableCredentials> OwnerAsync(CancellationToken cancellationToken)
    {
        try
        {
            return last = await credentials.GetCredentialsAsync().WaitAsync(cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // Those that are known may hold for a while; when they do not, the answer says so.
            return last ?? throw new CredentialsAwayException(e);
        }
    }

    /// <summary>
    /// A signature holds for minutes around its date. Where this machine's clock is further off than that, the endpoint's is taken: it stands in each answer, also in the one that refuses the signature.
    /// </summary>
    private void LearnClock(HttpResponseMessage response)
    {
        if (response.Headers.Date is not { } date)
        {
            return;
        }

        var off = date - time.GetUtcNow();
        Volatile.Write(ref clockTicks, off.Duration() > ClockTolerance ? off.Ticks : 0);
    }

    /// <summary>Makes the next request ask the credentials' source again, where it has one.</summary>
    public void RefreshCredentials()
    {
        last = null;
        (credentials as RefreshingAWSCredentials)?.ClearCredentials();
    }

    public void Dispose() => http.Dispose();

    private HttpRequestMessage CreateRequest(string operation, ReadOnlyMemory<byte> body, ImmutableCredentials owner)
    {
        var date = SigV4Signer.FormatDate(time.GetUtcNow() + TimeSpan.FromTicks(Volatile.Read(ref clockTicks)));
        var target = targetPrefix + operation;
        var content = new ReadOnlyMemoryContent(body);
        content.Headers.ContentType = Json;
        var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = content };
        request.Headers.TryAddWithoutValidation("X-Amz-Date", date);
        request.Headers.TryAddWithoutValidation("X-Amz-Target", target);
        string authorization;
        if (owner.UseToken)
        {
            request.Headers.TryAddWithoutValidation("X-Amz-Security-Token", owner.Token);
            authorization = signer.Authorize(
                "POST",
                "/",
                string.Empty,
                [new("content-type", Json.MediaType!), new("host", host), new("x-amz-date", date), new("x-amz-security-token", owner.Token), new("x-amz-target", target)],
                body.Span,
                date,
                owner);
        }
        else
        {
            authorization = signer.Authorize(
                "POST",
                "/",
                string.Empty,
                [new("content-type", Json.MediaType!), new("host", host), new("x-amz-date", date), new("x-amz-target", target)],
                body.Span,
                date,
                owner);
        }

        request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return request;
    }
}

/// <summary>What gives the credentials does not answer, or refuses; those that were known are not accepted any more.</summary>
internal sealed class CredentialsAwayException(Exception cause) : Exception(cause.Message, cause);

/// <summary>Status and body of an answer, in a pooled buffer.</summary>
internal sealed class DynamoDbReply : IDisposable
{
    private byte[] buffer;
    private readonly int length;

    private DynamoDbReply(int status, byte[] buffer, int length)
    {
        Status = status;
        this.buffer = buffer;
        this.length = length;
    }

    public int Status { get; }

    public ReadOnlySpan<byte> Body => buffer.AsSpan(0, length);

    /// <param name="timeout">Ends the reading; put off with each piece that comes.</param>
    public static async ValueTask<DynamoDbReply> ReadAsync(HttpResponseMessage response, CancellationTokenSource timeout, TimeSpan pause)
    {
        var cancellationToken = timeout.Token;
        var expected = response.Content.Headers.ContentLength;
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(expected ?? 4096, 16 * 1024 * 1024) + 1);
        var length = 0;
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            while (true)
            {
                if (length == buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                    buffer.AsSpan(0, length).CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken);
                if (read == 0)
                {
                    return new DynamoDbReply((int)response.StatusCode, buffer, length);
                }

                length += read;
                if (length < expected)
                {
                    timeout.CancelAfter(pause);
                }
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    public void Dispose()
    {
        var returned = Interlocked.Exchange(ref buffer, []);
        if (returned.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(returned);
        }
    }
}
