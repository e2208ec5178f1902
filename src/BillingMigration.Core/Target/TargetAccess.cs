namespace BillingMigration.Target;

/// <summary>
/// How to reach AWS, in the AWS tools' own words. What is null comes from the definition, then from the SDK's own chain (environment,
/// profile, container or instance role).
/// </summary>
public sealed record TargetAccess
{
    public string? ProfileName { get; init; }

    public string? Region { get; init; }

    public Uri? EndpointUrl { get; init; }

    public string? AccessKeyId { get; init; }

    public string? SecretAccessKey { get; init; }

    public string? SessionToken { get; init; }

    public override string ToString() => ProfileName is null ? "credentials of the session" : $"profile {ProfileName}";
}
