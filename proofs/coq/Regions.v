(* Theorem 13: cells that tile, with one pattern inside each: the listed regions are the activation regions. *)
From Coq Require Import Reals Lra Psatz ZArith List.
From Exactcam Require Import Plane Polygon Tiling.
Import ListNotations.
Open Scope R_scope.

Lemma Forall2_len {A B} (R : A -> B -> Prop) l m : Forall2 R l m -> length l = length m.
Proof. induction 1; simpl; congruence. Qed.

Section regions.
Variable T : Type.
Variable pat : pt -> T.
Variable W : list pt.
Variable regions : list (list (list pt)).
Let cells := concat regions.
Hypothesis W_conv : conv W.
Hypothesis W_sorted : sorted W.
Hypothesis C_conv : forall l, In l cells -> conv l.
Hypothesis cancels : forall p, total cells p = csum p (edges W).
Variable qs : list T.
Hypothesis pats : Forall2 (fun q U => U <> [] /\ forall l, In l U -> forall p, inside l p -> pat p = q) qs regions.
Hypothesis distinct : NoDup qs.

Definition where_pattern (q : T) : set := fun p => inP W p /\ pat p = q.
Definition union (U : list (list pt)) : set := fun p => exists l, In l U /\ inP l p.

Lemma cell_region l : In l cells -> exists k q U, nth_error qs k = Some q /\ nth_error regions k = Some U /\ In l U
   /\ forall p, inside l p -> pat p = q.
Proof.
  unfold cells. revert pats. generalize qs regions. clear. intros qs rs P. induction P as [|q U qs' rs' [_ H] _ IH]; simpl; [tauto|].
  rewrite in_app_iff. intros [I|I].
  - exists 0%nat, q, U. split; [reflexivity|]. split; [reflexivity|]. split; [exact I|]. intros p J. exact (H l I p J).
  - destruct IH as (k & q' & U' & A & B & D); [exact I|]. exists (S k), q', U'. auto.
Qed.
Lemma region_cell k q U : nth_error qs k = Some q -> nth_error regions k = Some U ->
  U <> [] /\ forall l, In l U -> In l cells /\ forall p, inside l p -> pat p = q.
Proof.
  unfold cells. revert k. revert pats. generalize qs regions. clear. intros qs rs P. induction P as [|q0 U0 qs' rs' [N H] _ IH]; intros k Q R; [destruct k; discriminate|].
  destruct k as [|k]; simpl in Q, R.
  - injection Q as ->. injection R as ->. split; [exact N|]. intros l I. split; [simpl; apply in_app_iff; auto | apply H, I].
  - destruct (IH k Q R) as [A B]. split; [exact A|]. intros l I. destruct (B l I). split; [simpl; apply in_app_iff; auto | assumption].
Qed.

Lemma inside_interior l p q : In l cells -> (forall p, inside l p -> pat p = q) -> inside l p -> interior (where_pattern q) p.
Proof.
  intros I H J. destruct (inside_open l p J) as (d & D & N). exists d; split; [exact D|]. intros r B. split.
  - apply (contained W cells W_conv C_conv cancels l r I). apply inside_inP, N, B.
  - apply H, N, B.
Qed.

Theorem patterns_with_interior q : In q qs <-> exists p, interior (where_pattern q) p.
Proof.
  split.
  - intros I. apply In_nth_error in I. destruct I as [k K].
    assert (X : exists U, nth_error regions k = Some U).
    { destruct (nth_error regions k) as [U|] eqn:E; [eauto|]. apply nth_error_None in E.
      assert (k < length qs)%nat by (apply nth_error_Some; congruence). pose proof (Forall2_len _ _ _ pats). lia. }
    destruct X as [U HU]. destruct (region_cell k q U K HU) as [N H].
    destruct U as [|l U]; [congruence|]. destruct (H l (or_introl eq_refl)) as [I P].
    exists (middle l). apply (inside_interior l); auto. apply middle_inside, C_conv, I.
  - intros (p & e & E & H).
    destruct (inner W cells W_conv C_conv cancels p e E) as (l & r & I & B & J); [intros r B; apply (H r B)|].
    destruct (cell_region l I) as (k & q' & U & Q & R & L & P).
    assert (q' = q). { rewrite <- (P r J). apply (H r B). } subst q'. eapply nth_error_In, Q.
Qed.

Theorem regions_are_closures k q U : nth_error qs k = Some q -> nth_error regions k = Some U ->
  forall p, union U p <-> closure (interior (where_pattern q)) p.
Proof.
  intros Q R p. destruct (region_cell k q U Q R) as [N H]. split.
  - intros (l & I & J) e E. destruct (H l I) as [K P]. destruct (dense_inside l p (C_conv l K) J e E) as (r & B & Z).
    exists r. split; [exact B|]. apply (inside_interior l); auto.
  - intros Cl. destruct (inP_list U p) as [X|(d & D & M)]; [exact X|]. exfalso.
    destruct (Cl d D) as (r & B & e & E & O). destruct (box_in p d r B) as (d1 & D1 & N1).
    destruct (inner W cells W_conv C_conv cancels r (Rmin d1 e)) as (l & s & I & B' & J);
      [apply Rmin_glb_lt; assumption | intros s B'; apply O; eapply box_le; [apply Rmin_r | exact B']|].
    destruct (cell_region l I) as (k' & q' & U' & Q' & R' & L & P).
    assert (q' = q). { rewrite <- (P s J). apply O. eapply box_le; [apply Rmin_r | exact B']. } subst q'.
    assert (k' = k). { apply (proj1 (NoDup_nth_error qs)) ; [exact distinct | apply nth_error_Some; congruence | congruence]. }
    subst k'. assert (U' = U) by congruence. subst U'.
    apply (M s) with l; [apply N1; eapply box_le; [apply Rmin_l | exact B'] | exact L | apply inside_inP, J].
Qed.
End regions.
