using Amazon.Runtime;

namespace BillingMigration.Target;

/// <summary>Access keys at one moment.</summary>
/// <param name="SessionToken">Null: keys of a user, which do not expire.</param>
public sealed record TargetKeys(string AccessKeyId, string SecretAccessKey, string? SessionToken)
{
    public override string ToString() => AccessKeyId;
}

/// <summary>Credentials that somebody else keeps fresh: asked for each time, because only their owner knows when they end.</summary>
internal sealed class OwnedCredentials(Func<TargetKeys> current) : AWSCredentials
{
    public override ImmutableCredentials GetCredentials()
    {
        var keys = current();
        return new ImmutableCredentials(keys.AccessKeyId, keys.SecretAccessKey, keys.SessionToken);
    }

    // The owner may have to ask a service first.
    public override Task<ImmutableCredentials> GetCredentialsAsync() => Task.Run(GetCredentials);
}
