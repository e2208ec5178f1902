using System.Net;
using System.Net.Sockets;
using BillingMigration.Definition;
using BillingMigration.Target;
using BillingMigration.Testing.Faults;
using BillingMigration.Transfer;
using Xunit;

namespace BillingMigration.Tests.Target;

public sealed class TargetConnectionTests(DynamoDbLocalFixture server)
{
    private static readonly RetryPolicy Impatient = new() { AttemptTimeout = TimeSpan.FromSeconds(1), ConnectTimeout = TimeSpan.FromMilliseconds(500) };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Passed_endpoint_and_region_win_over_the_definitions()
    {
        var definition = server.Definition(endpoint: new Uri("http://127.0.0.1:1"));
        await using var target = await TargetConnection.OpenAsync(
            definition, DynamoDbLocalFixture.Access with { EndpointUrl = server.Url, Region = "eu-west-3" }, Token);
        Assert.Equal((server.Url, "eu-west-3", true), (target.Endpoint, target.Region, target.IsEmulator));
        Assert.Equal("local", (await target.Credentials.GetCredentialsAsync()).AccessKey);
    }

    [Fact]
    public async Task An_endpoint_where_nobody_listens_is_unreachable()
    {
        var error = await FailsAsync(server.Definition(endpoint: new Uri("http://127.0.0.1:1")), DynamoDbLocalFixture.Access);
        Assert.Equal("TargetUnreachable", error.ErrorId);
        Assert.Contains("http://127.0.0.1:1", error.Message);
    }

    [Fact]
    public async Task A_request_whose_connection_is_reset_is_not_sent_again_behind_the_callers_back()
    {
        var resets = new Resetting(new SocketsHttpHandler());
        await using var target = await TargetConnection.OpenAsync(server.Definition(), DynamoDbLocalFixture.Access with { EndpointUrl = server.Url, Network = () => resets }, Token);
        resets.IsOn = true;
        await Assert.ThrowsAnyAsync<Exception>(() => target.SingleRequests.ListTablesAsync(Token));
        Assert.Equal(1, resets.Count);
    }

    private sealed class Resetting(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        public bool IsOn { get; set; }

        public int Count { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (!IsOn)
            {
                return base.SendAsync(request, cancellationToken);
            }

            Count++;
            throw new HttpRequestException("The connection broke.", new IOException("It was reset.", new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.ConnectionReset)));
        }
    }

    [Fact]
    public async Task A_host_that_does_not_exist_is_unreachable()
    {
        var error = await FailsAsync(server.Definition(endpoint: new Uri("https://dynamodb.invalid")), DynamoDbLocalFixture.Access);
        Assert.Equal("TargetUnreachable", error.ErrorId);
    }

    [Theory]
    [InlineData("http://10.0.0.1:8000")]
    [InlineData("http://dynamodb.eu-central-1.amazonaws.com")]
    public async Task Without_TLS_only_loopback_is_spoken_to(string url)
    {
        var error = await FailsAsync(server.Definition(endpoint: new Uri(url)), DynamoDbLocalFixture.Access);
        Assert.Equal(("InsecureEndpoint", MigrationErrorKind.SecurityViolation), (error.ErrorId, error.Kind));
    }

    [Theory]
    [InlineData(HttpFault.ExpiredCredentials, "CredentialsExpired", "aws sso login")]
    [InlineData(HttpFault.AccessDenied, "AccessDenied", "dynamodb:DescribeTable")]
    [InlineData(HttpFault.Throttle, "TargetThrottled", "throttles")]
    [InlineData(HttpFault.Reset, "TargetUnreachable", "firewall")]
    [InlineData(HttpFault.InternalError, "TargetUnavailable", "unknown error")]
    public async Task What_the_endpoint_answers_becomes_an_error_with_a_remedy(HttpFault fault, string id, string text)
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        using var rule = proxy.Faults.While(fault);
        var error = await FailsAsync(server.Definition(endpoint: proxy.Url), DynamoDbLocalFixture.Access);
        Assert.Equal(id, error.ErrorId);
        Assert.Contains(text, error.Message);
    }

    [Fact]
    public async Task An_endpoint_that_takes_connections_and_does_not_answer_is_not_blamed_on_DNS()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        using var silent = proxy.Faults.While(HttpFault.Swallow);
        var error = await FailsAsync(server.Definition(endpoint: proxy.Url), DynamoDbLocalFixture.Access, Impatient);
        Assert.Equal("TargetUnreachable", error.ErrorId);
        Assert.Contains("takes connections, and has not answered", error.Message);
        Assert.DoesNotContain("DNS", error.Message);
    }

    /// <summary>As a firewall that lets nothing through: the connection is neither taken nor refused.</summary>
    [Fact]
    public async Task An_endpoint_that_takes_no_connection_is_not_called_slow()
    {
        using var full = new TcpListener(IPAddress.Loopback, 0);
        full.Start(backlog: 1);
        var address = (IPEndPoint)full.LocalEndpoint;
        var waiting = new List<Socket>();
        try
        {
            // Nobody accepts: when the queue is full, the system answers no more.
            for (var taken = true; taken;)
            {
                waiting.Add(new Socket(SocketType.Stream, ProtocolType.Tcp));
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
                patience.CancelAfter(TimeSpan.FromMilliseconds(500));
                try
                {
                    await waiting[^1].ConnectAsync(address, patience.Token);
                }
                catch (OperationCanceledException)
                {
                    taken = false;
                }
            }

            var error = await FailsAsync(server.Definition(endpoint: new Uri($"http://127.0.0.1:{address.Port}")), DynamoDbLocalFixture.Access, Impatient);
            Assert.Equal("TargetUnreachable", error.ErrorId);
            Assert.Contains("cannot be reached", error.Message);
            Assert.Contains("firewall", error.Message);
        }
        finally
        {
            waiting.ForEach(w => w.Dispose());
        }
    }

    [Fact]
    public async Task Half_of_the_credentials_is_not_enough()
    {
        var error = await FailsAsync(server.Definition(), new TargetAccess { AccessKeyId = "AKIA" });
        Assert.Equal("CredentialsMissing", error.ErrorId);
        Assert.Contains("secret access key", error.Message);
    }

    [Fact]
    public async Task A_profile_that_does_not_exist_is_named()
    {
        var error = await FailsAsync(server.Definition(), new TargetAccess { ProfileName = "no-such-profile" });
        Assert.Equal(("ProfileNotFound", "no-such-profile"), (error.ErrorId, error.Target));
    }

    [Fact]
    public async Task A_cancellation_is_not_an_error_of_the_target()
    {
        await using var proxy = FaultProxy.Start("127.0.0.1", server.Port, ProxiedProtocol.Http);
        proxy.Faults.BlackHole = true;
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var opening = TargetConnection.OpenAsync(server.Definition(endpoint: proxy.Url), DynamoDbLocalFixture.Access, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
    }

    [Theory]
    [InlineData("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than …", "CredentialsRefused", "clock")]
    [InlineData("UnrecognizedClientException", "The security token included in the request is invalid.", "CredentialsRefused", "session token")]
    [InlineData("AccessDeniedException", "no words that name it", "AccessDenied", "no words that name it")]
    public void Codes_that_an_emulator_never_gives_are_understood_too(string code, string message, string id, string text)
    {
        var error = TargetErrors.FromCode(code, message, new Uri("https://dynamodb.eu-central-1.amazonaws.com"), "Looking", null);
        Assert.Equal(id, error.ErrorId);
        Assert.Contains(text, error.Message);
    }

    private static Task<MigrationException> FailsAsync(MigrationDefinition definition, TargetAccess access, RetryPolicy? policy = null) =>
        Assert.ThrowsAsync<MigrationException>(async () =>
        {
            await using var target = await TargetConnection.OpenAsync(definition, access, policy ?? new RetryPolicy(), Token);
        });
}
