using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using BillingMigration.Testing;

namespace BillingMigration.PowerShell.Tests;

/// <summary>Every kind of credential that the AWS CLI and AWS.Tools know, through the module as it is shipped.</summary>
public sealed class CredentialKindTests(TestServers servers) : IAsyncLifetime
{
    private const string Role = "arn:aws:iam::123456789012:role/migration";

    /// <summary>Writes each access key that a request to DynamoDB is signed with, until there are as many as are asked for.</summary>
    private const string Follow = """
        $keys = [System.Collections.Generic.List[string]]::new()
        for ($i = 0; $keys.Count -lt $most -and $i -lt 5000; $i++) {
            $null = Initialize-BillingTable
            $key = $session.Target.Credentials.GetCredentials().AccessKey
            if (-not $keys.Contains($key)) { $keys.Add($key) }
        }
        "keys: $keys"
        """;

    private static readonly Dictionary<string, string> Kinds = new()
    {
        ["static"] = "[profile static]\naws_access_key_id = AKIA0001\naws_secret_access_key = secret",
        ["assume-role"] = $"[profile assume-role]\nrole_arn = {Role}\nsource_profile = user\n[profile user]\naws_access_key_id = AKIAUSER\naws_secret_access_key = secret",
        ["mfa"] = $"[profile mfa]\nrole_arn = {Role}\nsource_profile = user\nmfa_serial = arn:aws:iam::123456789012:mfa/admin\n[profile user]\naws_access_key_id = AKIAUSER\naws_secret_access_key = secret",
        ["web-identity"] = $"[profile web-identity]\nrole_arn = {Role}\nweb_identity_token_file = FOLDER/web-token",
        ["sso"] = "[profile sso]\nsso_session = office\nsso_account_id = 123456789012\nsso_role_name = migration\n[sso-session office]\nsso_region = eu-central-1\nsso_start_url = https://office.awsapps.com/start\nsso_registration_scopes = sso:account:access",
        ["sso-legacy"] = "[profile sso-legacy]\nsso_region = eu-central-1\nsso_start_url = https://office.awsapps.com/start\nsso_account_id = 123456789012\nsso_role_name = migration",
        ["process"] = "[profile process]\ncredential_process = cat FOLDER/process.json",
    };

    private readonly CredentialServer server = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("credentials");
    private TestDatabase database = null!;
    private string definition = null!;

    public async ValueTask InitializeAsync()
    {
        database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Repository.PathOf("examples", "sample", "schema.sql")));
        definition = await SampleFile.WriteAsync(folder, database, (await servers.DynamoDbAsync()).Endpoint);
        await WriteAsync("web-token", "identity");
        await WriteAsync("process.json", JsonSerializer.Serialize(new { Version = 1, AccessKeyId = "AKIA0001", SecretAccessKey = "secret", SessionToken = "token", Expiration = DateTime.UtcNow.AddHours(1) }));
    }

    public async ValueTask DisposeAsync()
    {
        server.Dispose();
        await database.DisposeAsync();
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("static", null)]
    [InlineData("assume-role", $"AssumeRole {Role}")]
    [InlineData("web-identity", $"AssumeRoleWithWebIdentity {Role}  identity")]
    [InlineData("sso", "GET /federation/credentials")]
    [InlineData("sso-legacy", "GET /federation/credentials")]
    [InlineData("process", null)]
    public async Task A_profile_of_each_kind_gives_keys(string profile, string? asked)
    {
        await SignInAsync(DateTime.UtcNow.AddHours(1));
        Assert.Equal("keys: AKIA0001", await RunAsync($"-ProfileName {profile}", profile));
        Assert.True(asked is null || server.Asked.Contains(asked), string.Join("; ", server.Asked));
    }

    [Fact]
    public async Task The_environment_gives_keys() =>
        Assert.Equal("keys: AKIAENV", await RunAsync("", "static", ("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "secret")));

    [Fact]
    public async Task A_container_gives_keys() =>
        Assert.Equal("keys: AKIA0001", await RunAsync("", "", ("AWS_CONTAINER_CREDENTIALS_FULL_URI", $"{server.Endpoint}container")));

    [Fact]
    public async Task An_instance_gives_keys() =>
        Assert.Matches("^keys: AKIA[0-9]{4}$", await RunAsync("", "", ("AWS_EC2_METADATA_DISABLED", null), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.Endpoint.ToString().TrimEnd('/'))));

    [Fact]
    public async Task A_role_that_wants_a_code_is_assumed_with_it()
    {
        Assert.Equal("keys: AKIA0001", await RunAsync("-ProfileName mfa -TokenCode 123456", "mfa"));
        Assert.Contains($"AssumeRole {Role} arn:aws:iam::123456789012:mfa/admin 123456", server.Asked);
        var refused = await RunAsync("-ProfileName mfa", "mfa");
        Assert.Contains("MfaCodeNeeded", refused, StringComparison.Ordinal);
        Assert.Contains("-TokenCode", refused, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_SSO_session_that_has_ended_says_how_to_sign_in()
    {
        var refused = await RunAsync("-ProfileName sso", "sso");
        Assert.Contains("aws sso login --profile sso", refused, StringComparison.Ordinal);
    }

    /// <summary>The SDK renews a role's keys some minutes before they end; these end a little later than that.</summary>
    [Fact]
    public async Task The_keys_of_a_role_are_renewed_under_way()
    {
        server.Lasts = TimeSpan.FromMinutes(5) + TimeSpan.FromSeconds(2);
        Assert.Matches("^keys:( AKIA[0-9]{4}){4}$", await RunAsync("-ProfileName assume-role", "assume-role", most: 4));
    }

    private Task<string> RunAsync(string with, string profile, params (string Name, string? Value)[] environment) => RunAsync(with, profile, 1, environment);

    private async Task<string> RunAsync(string with, string profile, int most, params (string Name, string? Value)[] environment)
    {
        await WriteAsync("config", Kinds.GetValueOrDefault(profile, "").Replace("FOLDER", folder.FullName, StringComparison.Ordinal) + "\n");
        await WriteAsync("none", "");
        var variables = new Dictionary<string, string?>
        {
            ["HOME"] = folder.FullName, ["AWS_CONFIG_FILE"] = Path.Combine(folder.FullName, "config"), ["AWS_SHARED_CREDENTIALS_FILE"] = Path.Combine(folder.FullName, "none"),
            ["AWS_REGION"] = "eu-central-1", ["AWS_EC2_METADATA_DISABLED"] = "true", ["AWS_ACCESS_KEY_ID"] = null, ["AWS_SECRET_ACCESS_KEY"] = null, ["AWS_PROFILE"] = null,
        };
        foreach (var service in new[] { "STS", "SSO", "SSO_OIDC" })
        {
            variables[$"AWS_ENDPOINT_URL_{service}"] = server.Endpoint.ToString();
        }

        foreach (var (name, value) in environment)
        {
            variables[name] = value;
        }

        var script = $"$ProgressPreference = 'SilentlyContinue'\n$most = {most}\ntry {{ $session = Connect-BillingMigration $args[0] {with} }} catch {{ \"$($_.FullyQualifiedErrorId): $_\"; return }}\n{Follow}";
        return (await HostProcess.RunAsync(folder, script, definition, variables)).Trim();
    }

    /// <summary>What <c>aws sso login</c> leaves: a token in a file that is named by the hash of the session's name, or of the start URL.</summary>
    private async Task SignInAsync(DateTime until)
    {
        foreach (var name in new[] { "office", "https://office.awsapps.com/start" })
        {
#pragma warning disable CA5350 // The AWS CLI's choice; it names a file.
            var file = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(name)));
#pragma warning restore CA5350
            await WriteAsync($".aws/sso/cache/{file}.json", JsonSerializer.Serialize(new { startUrl = "https://office.awsapps.com/start", region = "eu-central-1", accessToken = "signed-in", expiresAt = until }));
        }
    }

    private Task WriteAsync(string name, string text)
    {
        var file = new FileInfo(Path.Combine(folder.FullName, name));
        file.Directory!.Create();
        return File.WriteAllTextAsync(file.FullName, text, TestContext.Current.CancellationToken);
    }
}
