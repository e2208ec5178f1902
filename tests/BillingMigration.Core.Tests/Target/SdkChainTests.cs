using Amazon;
using BillingMigration.Target;
using Xunit;

namespace BillingMigration.Tests.Target;

/// <summary>What the SDK finds in environment and files. These variables belong to the whole process, so nothing runs beside them.</summary>
[CollectionDefinition(nameof(SdkChainTests), DisableParallelization = true)]
[Collection(nameof(SdkChainTests))]
public sealed class SdkChainTests : IDisposable
{
    private static readonly string[] Names =
    [
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED",
    ];

    private readonly DynamoDbLocalFixture server;
    private readonly Dictionary<string, string?> before = Names.ToDictionary(n => n, Environment.GetEnvironmentVariable);
    private readonly string profilesBefore = AWSConfigs.AWSProfilesLocation;
    private readonly string folder = Directory.CreateTempSubdirectory("bm-aws").FullName;

    public SdkChainTests(DynamoDbLocalFixture server)
    {
        this.server = server;
        foreach (var name in Names)
        {
            Environment.SetEnvironmentVariable(name, null);
        }

        Environment.SetEnvironmentVariable("AWS_EC2_METADATA_DISABLED", "true");

        // What AWS_SHARED_CREDENTIALS_FILE sets, which the SDK reads once per process.
        AWSConfigs.AWSProfilesLocation = Path.Combine(folder, "credentials");
        File.WriteAllText(Path.Combine(folder, "credentials"), "[work]\naws_access_key_id = FROMFILE\naws_secret_access_key = secret\nregion = ap-south-1\n");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        AWSConfigs.AWSProfilesLocation = profilesBefore;
        foreach (var (name, value) in before)
        {
            Environment.SetEnvironmentVariable(name, value);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Without_any_credentials_none_are_invented()
    {
        var error = await Assert.ThrowsAsync<MigrationException>(() => TargetConnection.OpenAsync(server.Definition(), new TargetAccess(), Token));
        Assert.Equal("CredentialsMissing", error.ErrorId);
        Assert.Contains("DynamoDB Local accepts any", error.Message);
    }

    [Fact]
    public async Task A_profile_gives_credentials_and_region()
    {
        var definition = server.Definition();
        definition = definition with { Target = definition.Target with { Region = null } };
        await using var target = await TargetConnection.OpenAsync(definition, new TargetAccess { ProfileName = "work" }, Token);
        Assert.Equal(("FROMFILE", "ap-south-1"), ((await target.Credentials.GetCredentialsAsync()).AccessKey, target.Region));
    }

    [Fact]
    public async Task Without_a_region_it_says_where_to_write_one()
    {
        var definition = server.Definition();
        definition = definition with { Target = definition.Target with { Region = null } };
        var error = await Assert.ThrowsAsync<MigrationException>(() => TargetConnection.OpenAsync(definition, DynamoDbLocalFixture.Access, Token));
        Assert.Equal("RegionMissing", error.ErrorId);
    }
}
