using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;
using MySqlConnector;

namespace BillingMigration.Integrity;

/// <summary>Proves that the billing table is the source, or names what is not: see <c>docs/integrity.md</c> for what each method can tell.</summary>
public sealed class IntegrityChecker(MigrationSession session, IntegrityOptions options)
{
    public MigrationSession Session { get; } = session;

    public IntegrityOptions Options { get; } = options;

    /// <summary>Runs to a verdict, which is kept in the control table, or until <see cref="IntegrityOptions.MaxDuration"/>. Changes nothing in the billing table.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="MigrationException">The comparison could not be made: no statement about the data.</exception>
    public Task<IntegrityResult> RunAsync(IProgress<IntegrityProgress> progress, CancellationToken cancellationToken) =>
        SourceErrors.NameBrokenAsync(Session.Source.Source, () => RunOnceAsync(progress, cancellationToken), cancellationToken);

    private async Task<IntegrityResult> RunOnceAsync(IProgress<IntegrityProgress> progress, CancellationToken cancellationToken)
    {
        var started = Session.Time.GetTimestamp();
        var context = await ContextAsync(cancellationToken);
        await using var lease = await Session.Control.AcquireLeaseAsync(Jobs.Integrity, cancellationToken);
        using var abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Lost);
        await using var run = new IntegrityRun(Session, Options, context, lease, progress, started);
        try
        {
            var result = await run.RunAsync(abort);
            if (result.Outcome != IntegrityOutcome.Stopped)
            {
                await Session.Control.SaveVerdictAsync(lease, result.Verdict, cancellationToken);
            }

            return result with { Duration = Session.Time.GetElapsedTime(started) };
        }
        catch (OperationCanceledException) when (lease.Lost.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw IntegrityErrors.LeaseLost(lease, Session.Definition.Name);
        }
    }

    private async Task<IntegrityContext> ContextAsync(CancellationToken cancellationToken)
    {
        await using var connection = await Session.Source.OpenConnectionAsync(cancellationToken);
        var scope = await SnapshotScope.BindForComparisonAsync(Session, new SnapshotOptions { Entities = Options.Entities }, connection, cancellationToken);
        var run = await Session.Control.FindSnapshotAsync(cancellationToken);
        if (run is not { State: SnapshotState.Complete })
        {
            throw IntegrityErrors.SnapshotIncomplete(Session.Definition.Name, run);
        }

        SnapshotErrors.RequireModel(run, scope.Model);

        var charsets = scope.Model.Entities.SelectMany(e => e.Table.Columns).Select(c => c.CharacterSet).OfType<string>().Distinct();
        var table = await CharsetTable.LoadAsync(connection, charsets, cancellationToken);
        var now = Session.Time.GetUtcNow();
        var from = await StartAsync(connection, cancellationToken);
        return new IntegrityContext
        {
            Model = scope.Model,
            Chosen = [.. scope.Chosen.Select(e => scope.Model.Entities.IndexOf(e))],
            Run = run,
            Changes = new ChangeProbe(Session, scope.Model, table, from.Mark),
            From = from,
            TableLeads = (await Session.Control.FindRouteAsync(cancellationToken)).State == RouteState.DynamoDb,
            StartedAt = now,
            VerdictId = now.ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture) + "-" + Guid.NewGuid().ToString("N")[..6],
        };
    }

    /// <summary>A position whose every transaction is visible to every row read later, where taking one needs no lock.</summary>
    private async Task<SourcePosition> StartAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        var position = Session.Source.Server is { Flavor: SourceFlavor.MySql, GtidMode: false }
            ? await SnapshotPosition.TakeEndAsync(connection, Session.Source.Server, cancellationToken)
            : await SnapshotPosition.TakeStartAsync(connection, Session.Source.Server, cancellationToken);
        return await SourceHistory.MarkAsync(Session.Source, connection, position, Session.Time, cancellationToken);
    }
}
