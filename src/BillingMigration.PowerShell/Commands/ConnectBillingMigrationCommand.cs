using System.Collections.Immutable;
using System.Management.Automation;
using BillingMigration.Definition;
using BillingMigration.Source;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;
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

    private static readonly TimeSpan MfaPatience = TimeSpan.FromMinutes(5);

    private volatile bool isConnected;

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

    [Parameter(ParameterSetName = ProfileSet)]
    [ValidatePattern("^[0-9]{6}$")]
    public string? TokenCode { get; set; }

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
        var access = TargetAccess(definition);
        var now = access.CurrentKeys?.Invoke();
        Secrets.AddRange(new[] { source.Password, access.SecretAccessKey, access.SessionToken, TokenCode, now?.SecretAccessKey, now?.SessionToken }.OfType<string>().Where(s => s.Length > 0));
        WriteVerbose($"Connecting to {definition.Source.Host}:{definition.Source.Port} and to table {definition.Target.Table}, with {access}.");
        var (session, warnings, gaps) = Run(token => ConnectAsync(definition, source, access, token));
        foreach (var warning in warnings)
        {
            WriteWarning(warning.ToString());
        }

        foreach (var gap in gaps)
        {
            WriteWarning($"On the table {gap}");
        }

        isConnected = true;
        Sessions.Add(session, Secrets.ToArray());
        WriteObject(ResultObject.Of(session));
    }

    /// <summary>A session whose definition fits the source.</summary>
    private static async Task<(MigrationSession Session, ImmutableArray<DefinitionProblem> Warnings, ImmutableArray<StoreGap> Gaps)> ConnectAsync(
        MigrationDefinition definition, SourceCredential source, TargetAccess access, CancellationToken cancellationToken)
    {
        var session = await MigrationSession.ConnectAsync(definition, source, access, TimeProvider.System, cancellationToken);
        try
        {
            return (session, await session.RequireFitAsync(cancellationToken), await StoreFit.CheckAsync(session, cancellationToken));
        }
        catch
        {
            await session.DisposeAsync();
            throw;
        }
    }

    /// <summary>What was given; else what AWS.Tools.Common keeps in this session; else null, for the SDK's own chain.</summary>
    private TargetAccess TargetAccess(MigrationDefinition definition)
    {
        var credential = ParameterSetName == CredentialSet ? Credential : ProfileName is null && AccessKey is null ? GetVariableValue("StoredAWSCredentials") : null;
        return new TargetAccess
        {
            ProfileName = ProfileName,
            // The definition says where the data may be; a session's default comes after it.
            Region = Region ?? (definition.Target.Region is null ? GetVariableValue("StoredAWSRegion")?.ToString() : null),
            EndpointUrl = EndpointUrl,
            AccessKeyId = AccessKey,
            SecretAccessKey = SecretKey,
            SessionToken = SessionToken,
            CurrentKeys = credential is null ? null : AwsCredentials.Follow(credential),
            AskMfaCode = AskMfaCode,
        };
    }

    /// <summary>Once by <c>-TokenCode</c>, else by the host while this cmdlet runs: later nobody looks.</summary>
    private string? AskMfaCode(string serial)
    {
        if (TokenCode is { } given)
        {
            TokenCode = null;
            return given;
        }

        string? code = null;
        return !isConnected && OnPipelineAsync(() => code = ReadCode(serial)).Wait(MfaPatience) ? code : null;
    }

    private string? ReadCode(string serial)
    {
        try
        {
            Host.UI.Write($"Code of the MFA device {serial}: ");
            return Host.UI.ReadLine();
        }
        catch (Exception e) when (IsWithoutConsole(e))
        {
            return null;
        }
    }
}
