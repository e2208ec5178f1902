using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// The idempotency token of a call, with all that was sent under it. It lives as long as the call: whatever the unit is made anew from, no two of its forms are ever done, because DynamoDB does one request
/// under a token and refuses every other for ten minutes (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html, ClientRequestToken).
/// </summary>
internal sealed class UnitToken(string id, TimeProvider time)
{
    /// <summary>
    /// How long something is sent under it. A request is taken for five minutes after it was signed
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html), so none of them
    /// arrives when DynamoDB has forgotten the token, and would do a unit a second time.
    /// </summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(4);

    private (long Timestamp, DateTimeOffset At)? began;

    public string Id { get; private set; } = id;

    /// <summary>
    /// It is told by the clock that has gone on more: the monotonic one stands still while a machine is suspended, and the other may be set back.
    /// </summary>
    public bool IsOld => began is { } first && (time.GetElapsedTime(first.Timestamp) > Life || time.GetUtcNow() - first.At > Life);

    /// <summary>Nothing that was sent under it is done any more: another takes its place.</summary>
    public void Renew(string other)
    {
        (Id, began) = (other, null);
        Forms.Clear();
    }

    /// <summary>Something is about to be sent under it.</summary>
    public void Begin() => began ??= (time.GetTimestamp(), time.GetUtcNow());

    /// <summary>The unit as it was sent, each time that it was made anew.</summary>
    public List<UnitParts> Forms { get; } = [];

    /// <summary>An attempt has had no answer, and may still be on its way.</summary>
    public bool IsUnanswered { get; set; }

    /// <summary>When the call began to send: its patience is one, however often the unit is made anew.</summary>
    public long? Since { get; set; }

    /// <summary>Epoch of the route under which the first attempt passed the gate, or an earlier one.</summary>
    public long? Epoch { get; set; }
}

/// <summary>What became of a transaction.</summary>
/// <param name="Done">The form of the unit that is written; null: none.</param>
/// <param name="Refused">Parts whose conditions did not hold.</param>
internal readonly record struct Sent(UnitParts? Done, ImmutableArray<int> Refused);

/// <summary>
/// Sends transactions. An attempt without an answer may still be on its way, and whatever a later one is answered says nothing of it: only a success covers all attempts. A call that ends without one has its
/// token used up first, by a transaction that does nothing; DynamoDB says then when something had been done after all.
/// </summary>
/// <param name="side">What it is sent to.</param>
/// <param name="gate">Passed before each attempt; null: it may always be sent.</param>
internal sealed class TransactionSender(TableSide side, IWriteGate? gate)
{
    private static readonly TimeSpan AttemptTime = new Transfer.RetryPolicy().AttemptTimeout;

    private readonly StoreCalls calls = side.Calls;
    private readonly string table = side.Model.Definition.Target.Table;

    public UnitToken NewToken() => new(calls.NewId(), calls.Time);

    /// <summary>Sends a form of a unit until it has an answer.</summary>
    /// <param name="cancellationToken">Until the first attempt is sent; from then on it is not called back, as a COMMIT is not.</param>
    /// <exception cref="StoreException">
    /// <see cref="StoreError.Conflict"/>: others were in the way all the time. <see cref="StoreError.TooManyRows"/>: it is more than a transaction takes. <see cref="StoreError.ValueInvalid"/>:
    /// a row is larger than an item may be.
    /// </exception>
    /// <exception cref="NotRoutedException">The gate is closed.</exception>
    /// <exception cref="MigrationException"><c>Throttled</c>, <c>TargetRefused</c>, and the names of trouble with the way. What was sent before may still be done: see <see cref="SettleAsync"/>.</exception>
    public async Task<Sent> SendAsync(UnitParts parts, UnitToken token, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var began = token.Since ??= calls.Time.GetTimestamp();
        IDisposable? turn = null;
        try
        {
            for (var failures = 1; ; failures++)
            {
                if (token.IsOld)
                {
                    // The process has stood still, or its clock was set. Where each attempt had its answer, nothing is lost.
                    if (token.IsUnanswered)
                    {
                        throw StoreErrors.OutcomeUnknown(table, Forgotten());
                    }

                    if (await SettleAsync(token) is { } earlier)
                    {
                        return new Sent(earlier, []);
                    }

                    token.Renew(calls.NewId());
                }

                Exception trouble;
                try
                {
                    await AttemptAsync(parts, token);
                    return new Sent(parts, []);
                }
                catch (IdempotentParameterMismatchException)
                {
                    return new Sent(await FindDoneAsync(token), []);
                }
                catch (Exception e) when (TooLarge.InAll(e))
                {
                    throw StoreErrors.TooLargeInAll(table, e);
                }
                catch (Exception e) when (TooLarge.AsItem(e))
                {
                    throw StoreErrors.RowTooLarge(table, e);
                }
                catch (TransactionCanceledException e)
                {
                    var failed = Enumerable.Range(0, e.CancellationReasons.Count).Where(i => e.CancellationReasons[i].Code == "ConditionalCheckFailed").ToImmutableArray();
                    if (failed.Length > 0)
                    {
                        return new Sent(null, failed);
                    }

                    trouble = e.CancellationReasons.Exists(r => !Passes(r.Code)) ? throw Refused(e) : e;
                    turn ??= await side.Turns.TakeAsync(parts.Hottest, CancellationToken.None);
                }
                catch (Exception e) when (TargetErrors.IsTransient(e))
                {
                    trouble = e;
                    token.IsUnanswered |= !StoreCalls.IsThrottling(e);
                }

                if (calls.Time.GetElapsedTime(began) > StoreTimes.Patience)
                {
                    throw GivenUp(trouble);
                }

                await calls.PauseAsync(failures, CancellationToken.None);
            }
        }
        finally
        {
            turn?.Dispose();
        }
    }

    /// <summary>Ends a call that has no success: nothing that was sent under its token is done any more.</summary>
    /// <returns>The form of the unit that had been done after all; null: none.</returns>
    /// <exception cref="MigrationException"><c>WriteOutcomeUnknown</c>.</exception>
    public async Task<UnitParts?> SettleAsync(UnitToken token)
    {
        if (token.Forms.Count == 0)
        {
            return null;
        }

        var nothing = new TransactWriteItem { Delete = new Delete { TableName = side.Keys.Table, Key = side.Keys.Nothing(token.Id) } };
        var request = new TransactWriteItemsRequest { ClientRequestToken = token.Id, TransactItems = [nothing] };
        return await UntilAnsweredAsync(() => OnceAsync(request), token) ? null : await FindDoneAsync(token);
    }

    /// <summary>True when no switch went on without waiting for what has been done under a token: it counts.</summary>
    public Task<bool> CountsAsync(UnitToken token) => gate?.WasWaitedForAsync(token.Epoch ?? gate.Epoch) ?? Task.FromResult(true);

    private static InvalidOperationException Forgotten() => new("The process has stood still for longer than DynamoDB keeps a token.");

    private static bool Passes(string code) => code is "None" or "TransactionConflict" or "ThrottlingError" or "ProvisionedThroughputExceeded" or "RequestLimitExceeded";

    /// <summary>One of the forms was done: sent again, it is answered as the first time.</summary>
    private async Task<UnitParts> FindDoneAsync(UnitToken token)
    {
        foreach (var form in token.Forms.AsEnumerable().Reverse())
        {
            if (await UntilAnsweredAsync(() => OnceAsync(RequestOf(form, token)), token))
            {
                return form;
            }
        }

        throw StoreErrors.OutcomeUnknown(table, new InvalidOperationException("DynamoDB knows the token of the unit, and none of what was sent under it."));
    }

    /// <returns>False: something else was done under the token.</returns>
    private async Task<bool> UntilAnsweredAsync(Func<Task> attempt, UnitToken token)
    {
        var began = calls.Time.GetTimestamp();
        for (var failures = 1; ; failures++)
        {
            if (token is { IsOld: true, IsUnanswered: true })
            {
                throw StoreErrors.OutcomeUnknown(table, Forgotten());
            }

            try
            {
                await attempt();
                return true;
            }
            catch (IdempotentParameterMismatchException)
            {
                return false;
            }
            catch (Exception e)
            {
                if ((e is not TransactionCanceledException && !TargetErrors.IsTransient(e)) || calls.Time.GetElapsedTime(began) > StoreTimes.Patience / 4)
                {
                    throw StoreErrors.OutcomeUnknown(table, e);
                }
            }

            await calls.PauseAsync(failures, CancellationToken.None);
        }
    }

    private Task<TransactWriteItemsResponse> OnceAsync(TransactWriteItemsRequest request) =>
        calls.AttemptAsync((client, token) => client.TransactWriteItemsAsync(request, token), gate?.AttemptTime ?? AttemptTime, CancellationToken.None);

    private async Task AttemptAsync(UnitParts parts, UnitToken token)
    {
        var atMost = gate?.AttemptTime ?? AttemptTime;
        var (began, at) = (calls.Time.GetTimestamp(), calls.Time.GetUtcNow());
        token.Epoch ??= gate?.Epoch;
        using var sending = gate?.Begin(parts.Epoch);
        sending?.Pass();
        token.Begin();
        if (token.Forms.LastOrDefault() != parts)
        {
            token.Forms.Add(parts);
        }

        try
        {
            await OnceAsync(RequestOf(parts, token));
            sending?.Answered();
        }
        catch (Exception e) when (e is TransactionCanceledException or IdempotentParameterMismatchException)
        {
            sending?.Answered();
            throw;
        }

        if (gate is not null && (calls.Time.GetElapsedTime(began) > atMost || calls.Time.GetUtcNow() - at > atMost))
        {
            // A process that stood still between gate and request: calls may go to the other side since, and what has landed here now counts no more.
            throw new TimeoutException("The answer came after the attempt's time.");
        }
    }

    private static TransactWriteItemsRequest RequestOf(UnitParts parts, UnitToken token)
    {
        parts.Request.ClientRequestToken = token.Id;
        return parts.Request;
    }

    private Exception GivenUp(Exception trouble) => trouble switch
    {
        TransactionCanceledException e when e.CancellationReasons.Exists(r => r.Code == "TransactionConflict") => StoreErrors.Contended(table, StoreTimes.Patience),
        TransactionCanceledException => StoreErrors.Throttled(table, StoreTimes.Patience, trouble),
        _ when StoreCalls.IsThrottling(trouble) => StoreErrors.Throttled(table, StoreTimes.Patience, trouble),
        _ => trouble,
    };

    private MigrationException Refused(TransactionCanceledException e)
    {
        var reason = e.CancellationReasons.First(r => !Passes(r.Code));
        return new MigrationException("TargetRefused", MigrationErrorKind.Unexpected, $"DynamoDB refused a transaction: {reason.Code}: {reason.Message}", table, e);
    }
}
