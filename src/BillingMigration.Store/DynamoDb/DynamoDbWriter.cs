using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Writes a unit as one transaction, and makes it again from what is there by then when what it was made from has changed. A unit that MySQL would have let wait waits here, for
/// <see cref="StoreTimes.Patience"/> at most.
/// </summary>
internal sealed class DynamoDbWriter
{
    /// <summary>So often others may have been quicker before a unit takes what it rests on.</summary>
    private const int MostAttempts = 4;

    private readonly TableSide side;
    private readonly LargeUnits large;
    private readonly IWriteGate? gate;
    private readonly UnitBuilder builder;
    private readonly TransactionSender sender;
    private readonly Dictionary<string, Sequence> sequences;

    /// <param name="gate">Passed before each attempt; null: it may always be made.</param>
    public DynamoDbWriter(TableSide side, LargeUnits large, IWriteGate? gate)
    {
        (this.side, this.large, this.gate) = (side, large, gate);
        builder = new UnitBuilder(side);
        sender = new TransactionSender(side, gate);
        sequences = side.Model.Entities.ToDictionary(e => e.Entity, e => new Sequence(side.Calls, side.Model.Definition, e.Entity));
    }

    /// <returns>The rows as they are stored; null for those deleted.</returns>
    public async Task<ImmutableArray<BillingRecord?>> WriteAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken)
    {
        try
        {
            var rows = (await WriteAsync(_ => Task.FromResult<ImmutableArray<PlannedChange>?>(changes), null, cancellationToken))!.Value;
            await PassAsync(changes);
            return rows;
        }
        catch (StoreException e) when (e.Error == StoreError.TooManyRows && changes is [{ Before: { } row, After: null }])
        {
            await large.DeleteAsync(changes[0].Model, row, cancellationToken);
            return [null];
        }
        catch (StoreException e) when (e.Error == StoreError.TooManyRows && changes is [{ Before: not null, After: null }, { Answer: not null }])
        {
            throw StoreErrors.KeyOfLargeDeletion(changes[0].Model.Entity, e);
        }
    }

    /// <summary>A bill of all unbilled charges of an account, however many.</summary>
    /// <param name="bill">As it is planned, without its sums.</param>
    /// <param name="call">The row of the call, where it has a key: it is written with the bill, or with what decides it.</param>
    /// <returns>Null: there was nothing to bill.</returns>
    public async Task<BillingRecord?> RunBillAsync(PlannedChange bill, PlannedChange? call, BillingColumns columns, CancellationToken cancellationToken)
    {
        var run = new BillRun(side, bill, columns);
        var made = await MakeAsync();
        if (made is not null)
        {
            await PassAsync([bill]);
        }

        return made;

        async Task<BillingRecord?> MakeAsync()
        {
            try
            {
                return (await WriteAsync(PlanAsync, run.Require, cancellationToken))?[0];
            }
            catch (StoreException e) when (e.Error == StoreError.TooManyRows)
            {
                return await large.RunBillAsync(
                    run,
                    async epoch =>
                    {
                        var rows = await ResolveAsync(call is null ? [bill] : [bill, call], epoch, cancellationToken);
                        return (rows[0]!, call is null ? null : new RowChange(call.Model, null, rows[1]));
                    },
                    cancellationToken);
            }
        }

        async Task<ImmutableArray<PlannedChange>?> PlanAsync(UnitLock? taken) =>
            await large.WhileAsync(taken, () => run.PlanAsync(taken, cancellationToken)) is { } changes ? call is null ? changes : changes.Add(call) : null;
    }

    /// <summary>
    /// Makes a unit from what is there by then, and sends it, until it is through; all under one token. Where others are always quicker, it takes the
    /// partitions that it rests on before.
    /// </summary>
    /// <param name="plan">Asked anew for each attempt; null: there is nothing to write.</param>
    /// <param name="require">Adds to the unit what the plan rests on; null: nothing.</param>
    /// <exception cref="StoreException">The unit is refused; <see cref="StoreError.Conflict"/> also when others were in the way all the time.</exception>
    private async Task<ImmutableArray<BillingRecord?>?> WriteAsync(
        Func<UnitLock?, Task<ImmutableArray<PlannedChange>?>> plan, Action<UnitParts>? require, CancellationToken cancellationToken)
    {
        var token = sender.NewToken();
        var found = new UnitFindings();
        var answers = new Dictionary<UnitParts, ImmutableArray<BillingRecord?>>();
        UnitLock? taken = null;
        try
        {
            var began = side.Time.GetTimestamp();
            for (var failures = 1; ; failures++)
            {
                var isNext = false;
                try
                {
                    var epoch = gate?.Epoch ?? 0;
                    if (await Unsent.RunAsync(gate, () => plan(taken)) is not { } changes)
                    {
                        // Unless what was sent before, and had no answer, was done.
                        return await sender.SettleAsync(token) is { } earlier ? answers[earlier] : null;
                    }

                    var rows = await Unsent.RunAsync(gate, () => ResolveAsync(changes, epoch, cancellationToken));
                    var (parts, written) = await Unsent.RunAsync(gate, () => builder.BuildAsync([.. changes.Zip(rows)], found, epoch, taken, cancellationToken));
                    require?.Invoke(parts);
                    parts.RequireFits(changes[0].Model.Entity);
                    answers.Add(parts, [.. written.Select((row, i) => row is null ? null : new BillingRecord(changes[i].Model, row))]);
                    var sent = await sender.SendAsync(parts, token, cancellationToken);
                    if (sent.Done is { } done)
                    {
                        return answers[done];
                    }

                    var refused = sent.Refused.Select(parts.RefusalOf).ToArray();
                    (EntityModel, bool)[] of = [.. changes.Select(c => (c.Model, c.GeneratedKey >= 0))];
                    await Unsent.RunAsync(gate, () => found.LearnAsync(side, refused, of, cancellationToken));
                    isNext = refused.All(r => r is Refusal.KeyGiven or Refusal.Claimed { Value.Constraint: UniqueValue.PrimaryKey });
                    if (!isNext && failures % MostAttempts == 0)
                    {
                        await LetGoAsync();
                        taken = await Unsent.RunAsync(gate, () => large.TryLockAsync(changes[0].Model, parts.Rests, epoch));
                        if (taken is not null)
                        {
                            continue;
                        }
                    }
                }
                catch (PartitionHeldException e)
                {
                    // Two that wait for each other's would wait for ever.
                    await LetGoAsync();
                    await Unsent.RunAsync(gate, () => large.HelpAsync(e.Partition, cancellationToken));
                }

                if (side.Time.GetElapsedTime(began) > StoreTimes.Patience)
                {
                    throw StoreErrors.Contended(side.Model.Definition.Target.Table, StoreTimes.Patience);
                }

                // In the way of the next key that is generated is nobody.
                await (isNext ? Task.CompletedTask : side.Calls.PauseAsync(failures, cancellationToken));
            }
        }
        catch (Exception e) when (token.Forms.Count > 0)
        {
            UnitParts? done;
            try
            {
                done = await sender.SettleAsync(token);
            }
            catch (MigrationException unknown) when (unknown.ErrorId == StoreErrors.OutcomeUnknownId && !token.IsUnanswered)
            {
                // Each attempt was answered that it was not done.
                done = null;
            }

            if (done is null)
            {
                throw;
            }

            // Without that, it may have landed when calls went to the other side already: done here, it may count no more.
            return e is NotRoutedException && !await sender.CountsAsync(token) ? throw StoreErrors.OutcomeUnknown(side.Model.Definition.Target.Table, e) : answers[done];
        }
        finally
        {
            await LetGoAsync();
        }

        async Task LetGoAsync()
        {
            await large.UnlockAsync(taken);
            taken = null;
        }
    }

    /// <summary>Sends what is refused in any case: the next one finds a connection.</summary>
    public async Task RehearseAsync(CancellationToken cancellationToken)
    {
        // Each has a key of its own: two at one would be in each other's way.
        var parts = new UnitParts(side.Model.Definition, side.Keys);
        var key = side.Keys.Nothing(side.Calls.NewId());
        parts.Control(
            new() { Put = new() { TableName = side.Keys.Table, Item = key, ConditionExpression = "attribute_exists(pk) AND attribute_not_exists(pk)" } }, new Refusal.LookAgain());
        var open = new TransactionSender(side, null);
        await open.SendAsync(parts, open.NewToken(), cancellationToken);
    }

    /// <summary>Rows with their generated keys, and with the values of others that are known by then.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: a value does not fit its column, or no key is left.</exception>
    private async Task<List<RowBuffer?>> ResolveAsync(ImmutableArray<PlannedChange> changes, long epoch, CancellationToken cancellationToken)
    {
        var rows = changes.Select(c => c.After?.Copy()).ToList();
        for (var i = 0; i < changes.Length; i++)
        {
            if (changes[i] is { GeneratedKey: >= 0 and var key, Model: var entity })
            {
                do
                {
                    rows[i]!.Set(key, StoreValue.ToText(entity, key, await sequences[entity.Entity].NextAsync(epoch, cancellationToken)));
                }
                while (changes.Any(c => c.Model == entity && c is { Before: null, After: { } given } && !given.IsNull(key) && !given.Differs(rows[i]!, key)));
            }
        }

        for (var i = 0; i < changes.Length; i++)
        {
            if (rows[i] is { } row)
            {
                changes[i].Complete(row, changes, rows);
            }
        }

        return rows;
    }

    /// <summary>
    /// Keys that are generated go on above those of the unit that were given by hand. Where that fails, a key that is taken is met when it is
    /// generated.
    /// </summary>
    private async Task PassAsync(ImmutableArray<PlannedChange> written)
    {
        foreach (var change in written.Where(c => c is { Before: null, After: not null, GeneratedKey: < 0 }))
        {
            if (change.Model.Attributes.FirstOrDefault(a => a.Column.AutoIncrement) is { } key && !change.After!.IsNull(key.RowIndex))
            {
                try
                {
                    await sequences[change.Model.Entity].PassAsync(decimal.Parse(KeyText.Of(key.Column, change.After[key.RowIndex]), CultureInfo.InvariantCulture), CancellationToken.None);
                }
                catch (Exception e) when (Unsent.IsTrouble(e) || e is Amazon.Runtime.AmazonServiceException or Amazon.Runtime.AmazonClientException)
                {
                    return;
                }
            }
        }
    }
}
