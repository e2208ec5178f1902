using System.Management.Automation;
using BillingMigration.Definition;
using BillingMigration.Source;

namespace BillingMigration.PowerShell.Commands;

/// <summary>A definition that was drafted and written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Guesses">What the draft assumes, one sentence each.</param>
public sealed record DefinitionFile(string Path, IReadOnlyList<string> Guesses);

/// <summary>Writes a first definition from the tables of a live source.</summary>
[Cmdlet(VerbsCommon.New, "BillingMigrationDefinition", SupportsShouldProcess = true)]
[OutputType(typeof(DefinitionFile))]
public sealed class NewBillingMigrationDefinitionCommand : BillingCmdlet
{
    // ENOSPC and ERROR_DISK_FULL, as .NET reports them.
    private const int DiskFullOnUnix = 28;
    private const int DiskFullOnWindows = unchecked((int)0x80070070);

    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "migration.json";

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string SourceHost { get; set; } = "";

    [Parameter]
    [ValidateRange(1, 65535)]
    public int Port { get; set; } = 3306;

    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string Database { get; set; } = "";

    [Parameter]
    [ValidateNotNull]
    public PSCredential? SourceCredential { get; set; }

    [Parameter]
    public SourceTlsMode TlsMode { get; set; } = SourceTlsMode.VerifyFull;

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? CaFile { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string TableName { get; set; } = "billing";

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Region { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    protected override void Process()
    {
        var path = ResolvePath(Path);
        if (File.Exists(path) && !Force)
        {
            throw new MigrationException(
                "DefinitionExists", MigrationErrorKind.WrongState, $"The file '{path}' is already there. Choose another -Path, or add -Force to replace it.", path);
        }

        var credential = SourceCredentials.Resolve(SourceCredential);
        Secrets.Add(credential.Password);
        var source = new SourceDefinition
        {
            Host = SourceHost,
            Port = Port,
            Database = Database,
            Tls = new SourceTlsDefinition { Mode = TlsMode, CaFile = CaFile is null ? null : ResolvePath(CaFile) },
        };
        var target = new TargetDefinition { Region = Region, Table = TableName };
        var draft = Run(token => DefinitionDraft.CreateAsync(Name ?? Database, source, credential, target, token));
        var plan = string.Join(Environment.NewLine, [$"Write {path}, drafted from {SourceHost}:{Port}/{Database}.", .. draft.Guesses.Select(g => "  " + g)]);
        if (!ShouldProcess(plan, plan, "New-BillingMigrationDefinition"))
        {
            return;
        }

        Run(token => WriteAsync(path, draft.Json, token));
        WriteObject(ResultObject.Of(new DefinitionFile(path, draft.Guesses)));
    }

    /// <summary>Beside its place first, so that a definition is never half written.</summary>
    private static async Task<bool> WriteAsync(string path, string json, CancellationToken cancellationToken)
    {
        var written = path + ".new";
        try
        {
            await File.WriteAllTextAsync(written, json, cancellationToken);
            File.Move(written, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(written);
            if (e.HResult is DiskFullOnUnix or DiskFullOnWindows)
            {
                throw new MigrationException(
                    "DiskFull", MigrationErrorKind.LimitExceeded, $"The file '{path}' cannot be written: no space is left on its disk. Make room, or choose another -Path.", path, e);
            }

            throw new MigrationException(
                "DefinitionNotWritten", MigrationErrorKind.PermissionDenied, $"The file '{path}' cannot be written: {e.Message.TrimEnd('.')}. Choose another -Path.", path, e);
        }

        return true;
    }
}
