using System.Management.Automation;
using System.Reflection;
using System.Security;
using BillingMigration.Target;

namespace BillingMigration.PowerShell.Tests;

public sealed class AwsCredentialTests
{
    private static readonly TargetKeys Expected = new("AKIA1", "secret/1", "token");

    [Fact]
    public void Credentials_of_another_AWS_SDK_are_understood() => Assert.Equal(Expected, Keys(TheirCredentials()));

    [Fact]
    public void They_are_understood_as_PowerShell_wraps_them() => Assert.Equal(Expected, Keys(new PSObject(TheirCredentials())));

    [Fact]
    public void What_AWS_Tools_keeps_in_the_session_is_understood() => Assert.Equal(Expected, Keys(new AWSPSCredentials(TheirCredentials())));

    [Fact]
    public void The_credentials_of_an_STS_answer_are_understood() =>
        Assert.Equal(Expected, Keys(new { AccessKeyId = "AKIA1", SecretAccessKey = "secret/1", SessionToken = "token" }));

    [Fact]
    public void A_custom_object_with_keys_is_understood()
    {
        using var shell = new ModuleShell();
        var made = shell.Run("[pscustomobject]@{ AccessKey = 'AKIA1'; SecretKey = 'secret/1'; Token = 'token' }")[0];
        Assert.Equal(Expected, Keys(made));
    }

    [Fact]
    public void A_PSCredential_holds_id_and_secret_key()
    {
        using var secret = new SecureString();
        "secret/1".ToList().ForEach(secret.AppendChar);
        Assert.Equal(Expected with { SessionToken = null }, Keys(new PSCredential("AKIA1", secret)));
    }

    [Fact]
    public void Keys_never_show_their_secret() => Assert.Equal("AKIA1", Expected.ToString());

    [Fact]
    public void What_their_owner_renews_is_asked_for_anew()
    {
        var owner = new RenewingCredentials();
        var keys = AwsCredentials.Follow(new PSObject(new AWSPSCredentials(owner)));
        var first = keys();
        owner.Renew();
        Assert.Equal((first.AccessKeyId, "token-2"), (keys().AccessKeyId, keys().SessionToken));
        owner.Ends = new InvalidOperationException("the session of SSO has ended");
        Assert.Same(owner.Ends, Assert.Throws<InvalidOperationException>(keys));
    }

    private static TargetKeys Keys(object credential) => AwsCredentials.Follow(credential)();

    private static object TheirCredentials() =>
        Activator.CreateInstance(Assembly.Load("AWSSDK.Core").GetType("Amazon.Runtime.SessionAWSCredentials", true)!, "AKIA1", "secret/1", "token")!;

    /// <summary>Shaped as the class of that name in AWS.Tools.Common.</summary>
    private sealed class AWSPSCredentials(object credentials)
    {
        internal object Credentials { get; } = credentials;

        public override string ToString() => "profile";
    }

    /// <summary>Shaped as the refreshing credentials of any SDK.</summary>
    private sealed class RenewingCredentials
    {
        private int times = 1;

        public Exception? Ends { get; set; }

        public void Renew() => times++;

        public object GetCredentials() => Ends is null ? new { AccessKey = "AKIA1", SecretKey = "secret/1", Token = $"token-{times}" } : throw Ends;
    }
}
