using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Web;

namespace BillingMigration.Testing;

/// <summary>
/// What gives AWS credentials, as far as an SDK asks it: STS, the portal and the token service of IAM Identity Center (SSO), a container's endpoint, the instance metadata service, and Azure's.
/// Each answer has new keys, numbered: <c>AKIA0001</c>, and so on.
/// </summary>
public sealed class CredentialServer : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly Task running;
    private int given;

    public CredentialServer()
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Endpoint = new UriBuilder("http", "127.0.0.1", ((IPEndPoint)free.LocalEndpoint).Port).Uri;
        }

        listener.Prefixes.Add(Endpoint.ToString());
        listener.Start();
        running = Task.Run(ServeAsync);
    }

    public Uri Endpoint { get; }

    /// <summary>How long the keys hold that are given.</summary>
    public TimeSpan Lasts { get; set; } = TimeSpan.FromHours(1);

    /// <summary>The file that the agent of Azure Arc wants to be read; null: it asks for none.</summary>
    public string? ArcSecret { get; set; }

    /// <summary>What was asked: method and path, or the action with the parameters that matter.</summary>
    public ConcurrentQueue<string> Asked { get; } = [];

    public void Dispose()
    {
        listener.Close();
        running.Wait();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            using var reader = new StreamReader(context.Request.InputStream);
            var body = await reader.ReadToEndAsync();
            var (status, type, text) = Answer(context.Request, body);
            context.Response.StatusCode = status;
            context.Response.ContentType = type;
            if (status == 401)
            {
                context.Response.Headers["WWW-Authenticate"] = $"Basic realm={ArcSecret}";
            }

            await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(text));
            context.Response.Close();
        }
    }

    private (int Status, string Type, string Text) Answer(HttpListenerRequest request, string body)
    {
        var path = request.Url!.AbsolutePath;
        var form = HttpUtility.ParseQueryString(body);
        Asked.Enqueue(path == "/" ? $"{form["Action"]} {form["RoleArn"]} {form["SerialNumber"]} {form["TokenCode"]}{form["WebIdentityToken"]}".TrimEnd() : $"{request.HttpMethod} {path}");
        return path switch
        {
            "/" when form["Action"] is { } action => (200, "text/xml", Sts(action)),
            "/federation/credentials" when request.Headers["x-amz-sso_bearer_token"] is "signed-in" or "renewed" => Json(new { roleCredentials = Portal() }),
            "/token" => Json(new { accessToken = "renewed", expiresIn = 3600, refreshToken = "next", tokenType = "Bearer" }),
            "/metadata/identity/oauth2/token" when request.Headers["Metadata"] != "true" => (400, "text/plain", "no Metadata header"),
            // As the agent of Azure Arc: who asks must be able to read a file.
            "/metadata/identity/oauth2/token" when ArcSecret is not null && request.Headers["Authorization"] != $"Basic {File.ReadAllText(ArcSecret)}" => (401, "text/plain", "who are you"),
            "/metadata/identity/oauth2/token" => Json(new { access_token = "identity of " + request.QueryString["resource"], expires_in = "86399", token_type = "Bearer" }),
            "/latest/api/token" => (200, "text/plain", "metadata-token"),
            "/latest/meta-data/iam/security-credentials" or "/latest/meta-data/iam/security-credentials/" => (200, "text/plain", "migration"),
            "/container" or "/latest/meta-data/iam/security-credentials/migration" => Json(Metadata()),
            _ => (404, "text/plain", "not here"),
        };
    }

    private (string Id, string Secret, string Token, DateTime Ends) Next()
    {
        var number = Interlocked.Increment(ref given).ToString("0000", CultureInfo.InvariantCulture);
        return ($"AKIA{number}", $"secret-{number}", $"token-{number}", DateTime.UtcNow + Lasts);
    }

    private string Sts(string action)
    {
        var (id, secret, token, ends) = Next();
        return $"""
            <{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
            <SessionToken>{token}</SessionToken><Expiration>{ends:yyyy-MM-ddTHH:mm:ssZ}</Expiration></Credentials>
            <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/migration/test</Arn><AssumedRoleId>AROA:test</AssumedRoleId></AssumedRoleUser></{action}Result>
            <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>
            """;
    }

    private object Portal()
    {
        var (id, secret, token, ends) = Next();
        return new { accessKeyId = id, secretAccessKey = secret, sessionToken = token, expiration = new DateTimeOffset(ends).ToUnixTimeMilliseconds() };
    }

    private object Metadata()
    {
        var (id, secret, token, ends) = Next();
        return new { Code = "Success", Type = "AWS-HMAC", LastUpdated = DateTime.UtcNow, AccessKeyId = id, SecretAccessKey = secret, Token = token, Expiration = ends };
    }

    private static (int Status, string Type, string Text) Json(object value) => (200, "application/json", JsonSerializer.Serialize(value));
}
