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

    /// <summary>Keys that somebody else renews, asked for with each request, from any thread; what it throws means that there are none now.</summary>
    public Func<TargetKeys>? CurrentKeys { get; init; }

    /// <summary>Asks for the code of the MFA device with this serial number or ARN, where a profile's role wants one. Null, or where it gives null: such a role is not assumed.</summary>
    public Func<string, string?>? AskMfaCode { get; init; }

    /// <summary>Makes what requests are sent through; null: connections of the machine. A simulated network takes their place in tests.</summary>
    internal Func<HttpMessageHandler>? Network { get; init; }

    public override string ToString() => ProfileName is null ? "credentials of the session" : $"profile {ProfileName}";
}
