using System.Collections.Immutable;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>What a comparison of changes has come to that was not decided because rows did not stand still: all that changed before it is equal, but for these.</summary>
/// <param name="From">Changes behind it were not looked at.</param>
/// <param name="Left">Neither confirmed nor found equal.</param>
internal sealed record ComparedSoFar(SourcePosition From, ImmutableArray<Suspect> Left);
