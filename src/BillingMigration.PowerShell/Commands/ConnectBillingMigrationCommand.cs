using System.Management.Automation;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Target;

namespace BillingMigration.PowerShell.Commands;

/// <summary>Opens a migration: reads its definition and connects to both sides.</summary>
[Cmdlet(VerbsCommunications.Connect, "BillingMigration", DefaultParameterSetName = ProfileSet)]
[OutputType(typeof(MigrationSession))]
public sealed class ConnectBillingMigrationCommand : BillingCmdlet
{
    private const string ProfileSet = "Profile";
    private const string CredentialSet = "Credential";
    private const string AccessKeySet = "AccessKey";

    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "migration.json";

    [Parameter]
    [ValidateNotNull]
    public PSCredential? SourceCredential { get; set; }

    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string? ProfileName { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = CredentialSet)]
    [ValidateNotNull]
    public object? Credential { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = AccessKeySet)]
    [ValidateNotNullOrEmpty]
    public string? AccessKey { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = AccessKeySet)]
    [ValidateNotNullOrEmpty]
    public string? SecretKey { get; set; }

    [Parameter(ParameterSetName = AccessKeySet)]
    [ValidateNotNullOrEmpty]
    public string? SessionToken { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Region { get; set; }

    [Parameter]
    [ValidateNotNull]
    public Uri? EndpointUrl { get; set; }

    protected override void Process()
    {
        var path = ResolvePath(Path);
        // The file first: it is what a first user gets wrong, and it needs no account.
        var definition = Run(_ => Task.FromResult(MigrationDefinitionFile.Load(path)));
        var source = SourceCredentials.Resolve(SourceCredential);
        var access = TargetAccess();
        Secrets.AddRange(new[] { source.Password, access.SecretAccessKey, access.SessionToken }.OfType<string>().Where(s => s.Length > 0));
        WriteVerbose($"Connecting to {definition.Source.Host}:{definition.Source.Port} and to table {definition.Target.Table}, with {access}.");
        var session = Run(token => MigrationSession.ConnectAsync(definition, source, access, TimeProvider.System, token));
        Sessions.Add(session, Secrets.ToArray());
        WriteObject(ResultObject.Of(session));
    }

    /// <summary>What was given; else what AWS.Tools.Common keeps in this session; else null, for the SDK's own chain.</summary>
    private TargetAccess TargetAccess()
    {
        var keys = ParameterSetName switch
        {
            CredentialSet => AwsCredentials.Read(Credential!),
            AccessKeySet => new AwsKeys(AccessKey!, SecretKey!, SessionToken),
            _ when ProfileName is null && GetVariableValue("StoredAWSCredentials") is { } stored => AwsCredentials.Read(stored),
            _ => null,
        };
        return new TargetAccess
        {
            ProfileName = ProfileName,
            Region = Region ?? GetVariableValue("StoredAWSRegion")?.ToString(),
            EndpointUrl = EndpointUrl,
            AccessKeyId = keys?.AccessKeyId,
            SecretAccessKey = keys?.SecretAccessKey,
            SessionToken = keys?.SessionToken,
        };
    }
}
