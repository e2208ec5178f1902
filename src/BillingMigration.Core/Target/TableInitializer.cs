using System.Collections.Immutable;
using BillingMigration.Definition;

namespace BillingMigration.Target;

public enum InitializeStepStatus
{
    /// <summary>Would be done (plan).</summary>
    Planned,

    /// <summary>Was done by this call.</summary>
    Done,

    /// <summary>Was so already.</summary>
    Unchanged,

    /// <summary>Is otherwise than the definition says, and cannot or must not be changed by this command; says what to do.</summary>
    Differs,

    /// <summary>The endpoint (an emulator) answers that it does not know the operation.</summary>
    NotSupportedByEndpoint,
}

/// <param name="Table">Table name.</param>
/// <param name="Setting">What the step is about: <c>Table</c>, <c>KeySchema</c>, <c>Index gsi1</c>, <c>Encryption</c>, <c>PointInTimeRecovery</c>, <c>Stream</c>, <c>DeletionProtection</c>, <c>DataKey</c>, <c>Tags</c>, <c>BillingMode</c>.</param>
/// <param name="Detail">Value now, value wanted, remedy.</param>
public sealed record InitializeStep(string Table, string Setting, InitializeStepStatus Status, string Detail);

/// <summary>Creates and checks the billing table and the control table. Idempotent; never deletes.</summary>
public sealed class TableInitializer
{
    private readonly MigrationDefinition definition;
    private readonly TargetConnection target;
    private readonly TimeProvider time;

    public TableInitializer(MigrationSession session)
        : this(session.Definition, session.Target, session.Time)
    {
    }

    /// <summary>Needs no way to the source: tables may be prepared before it is reachable.</summary>
    public TableInitializer(MigrationDefinition definition, TargetConnection target, TimeProvider time)
    {
        this.definition = definition;
        this.target = target;
        this.time = time;
    }

    /// <summary>What <see cref="InitializeAsync"/> would do now; changes nothing.</summary>
    /// <exception cref="MigrationException"><c>WrongKeySchema</c> and others.</exception>
    public Task<ImmutableArray<InitializeStep>> PlanAsync(CancellationToken cancellationToken) =>
        RunAsync(apply: false, new Progress<string>(), cancellationToken);

    /// <summary>Creates what is missing and waits until the tables are active.</summary>
    /// <exception cref="MigrationException"><c>WrongKeySchema</c> and others.</exception>
    public Task<ImmutableArray<InitializeStep>> InitializeAsync(IProgress<string> progress, CancellationToken cancellationToken) =>
        RunAsync(apply: true, progress, cancellationToken);

    /// <summary>Proves, before a job starts, that both tables are there with the design's keys.</summary>
    /// <exception cref="MigrationException"><c>TableNotFound</c>, <c>WrongKeySchema</c>.</exception>
    public async Task EnsureUsableAsync(CancellationToken cancellationToken)
    {
        foreach (var spec in new[] { TableSpec.Billing(definition.Target), TableSpec.Control(definition.Target) })
        {
            try
            {
                await new TableSetup(target, spec, time, apply: false, new Progress<string>(), _ => { }).EnsureUsableAsync(cancellationToken);
            }
            catch (Exception e) when (e is not MigrationException && !cancellationToken.IsCancellationRequested)
            {
                throw TargetErrors.From(e, target.Endpoint, $"Looking at the {spec.Role} '{spec.Name}'");
            }
        }
    }

    private async Task<ImmutableArray<InitializeStep>> RunAsync(bool apply, IProgress<string> progress, CancellationToken cancellationToken)
    {
        var steps = ImmutableArray.CreateBuilder<InitializeStep>();
        foreach (var spec in new[] { TableSpec.Billing(definition.Target) with { Indexes = definition.Indexes }, TableSpec.Control(definition.Target) })
        {
            var setup = new TableSetup(target, spec, time, apply, progress, steps.Add);
            try
            {
                await setup.RunAsync(cancellationToken);
            }
            catch (Exception e) when (e is not MigrationException && !cancellationToken.IsCancellationRequested)
            {
                throw TargetErrors.From(e, target.Endpoint, $"Preparing the {spec.Role} '{spec.Name}'");
            }
        }

        if (await new DataKey(target, definition, time).SetAsync(apply, cancellationToken) is { } step)
        {
            steps.Add(step);
        }

        return steps.ToImmutable();
    }
}
