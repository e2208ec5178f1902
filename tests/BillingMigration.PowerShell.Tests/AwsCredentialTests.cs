using System.Management.Automation;
using System.Reflection;
using System.Security;

namespace BillingMigration.PowerShell.Tests;

public sealed class AwsCredentialTests
{
    private static readonly AwsKeys Expected = new("AKIA1", "secret/1", "token");

    [Fact]
    public void Credentials_of_another_AWS_SDK_are_understood() => Assert.Equal(Expected, AwsCredentials.Read(TheirCredentials()));

    [Fact]
    public void They_are_understood_as_PowerShell_wraps_them() => Assert.Equal(Expected, AwsCredentials.Read(new PSObject(TheirCredentials())));

    [Fact]
    public void What_AWS_Tools_keeps_in_the_session_is_understood() => Assert.Equal(Expected, AwsCredentials.Read(new AWSPSCredentials(TheirCredentials())));

    [Fact]
    public void The_credentials_of_an_STS_answer_are_understood() =>
        Assert.Equal(Expected, AwsCredentials.Read(new { AccessKeyId = "AKIA1", SecretAccessKey = "secret/1", SessionToken = "token" }));

    [Fact]
    public void A_custom_object_with_keys_is_understood()
    {
        using var shell = new ModuleShell();
        var made = shell.Run("[pscustomobject]@{ AccessKey = 'AKIA1'; SecretKey = 'secret/1'; Token = 'token' }")[0];
        Assert.Equal(Expected, AwsCredentials.Read(made));
    }

    [Fact]
    public void A_PSCredential_holds_id_and_secret_key()
    {
        using var secret = new SecureString();
        "secret/1".ToList().ForEach(secret.AppendChar);
        Assert.Equal(Expected with { SessionToken = null }, AwsCredentials.Read(new PSCredential("AKIA1", secret)));
    }

    [Fact]
    public void Keys_never_show_their_secret() => Assert.Equal("AKIA1", Expected.ToString());

    private static object TheirCredentials() =>
        Activator.CreateInstance(Assembly.Load("AWSSDK.Core").GetType("Amazon.Runtime.SessionAWSCredentials", true)!, "AKIA1", "secret/1", "token")!;

    /// <summary>Shaped as the class of that name in AWS.Tools.Common.</summary>
    private sealed class AWSPSCredentials(object credentials)
    {
        internal object Credentials { get; } = credentials;

        public override string ToString() => "profile";
    }
}
