(* Lemma 14: three corners determine the output map. The number of affine pieces.
   Theorem affine_pieces: if the core of the checker accepts and `region_maps` gives the regions' maps, the list it
   gives is that of the output maps of the activation regions, region by region; and the different ones among them,
   counted by `different`, are exactly the affine pieces: the maps that are the output's on some activation region. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool Lia Permutation FMapPositive.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate Checker Sound Outputs.
Import ListNotations.
Open Scope Z_scope.

(* ---------- names with what is known at their vertices *)
Definition named := (positive * full)%type.
Definition npt (x : named) : hpt := vp (fv (snd x)).
Definition lookup (t : PositiveMap.t full) (i : positive) : option named := option_map (pair i) (PositiveMap.find i t).
Fixpoint resolve (f : positive -> option named) (rs : list (list (list positive))) (acc : list (list (list named))) :
  option (list (list (list named))) :=
  match rs with
  | [] => Some (rev_append acc [])
  | U :: t => match all_some (all_some f) U with None => None | Some T => resolve f t (T :: acc) end
  end.

(* ---------- output maps: a list a, b, c, a, b, c, ...: output k is (a u + b v + c) / outD *)
Definition cross (p q : hpt) : hpt :=
  let '(a, b, c) := p in let '(d, e, f) := q in (b * f - c * e, c * d - a * f, a * e - b * d).
Fixpoint cramer (d : Z) (u v w : hpt) (x y z : list Z) : list Z :=
  match x, y, z with
  | a :: x', b :: y', c :: z' =>
      let '(u1, u2, u3) := u in let '(v1, v2, v3) := v in let '(w1, w2, w3) := w in
      (a * u1 + b * v1 + c * w1) / d :: (a * u2 + b * v2 + c * w2) / d :: (a * u3 + b * v3 + c * w3) / d
      :: cramer d u v w x' y' z'
  | _, _, _ => []
  end.
Fixpoint holds (m : list Z) (h : hpt) (y : list Z) : bool :=
  match m, y with
  | [], [] => true
  | a :: b :: c :: m', z :: y' => (let '(u, v, w) := h in a * u + b * v + c * w =? z) && holds m' h y'
  | _, _ => false
  end.
Definition holds_at (m : list Z) (x : named) : bool := holds m (npt x) (fo (snd x)).
Definition on_piece (m : list Z) (k : list named) : bool :=
  match k with p :: q :: r :: _ => holds_at m p && holds_at m q && holds_at m r | _ => false end.
Definition solve (k : list named) : list Z :=   (* not trusted: `on_piece` looks at it *)
  match k with
  | p :: q :: r :: _ => cramer (det (npt p) (npt q) (npt r)) (cross (npt q) (npt r)) (cross (npt r) (npt p)) (cross (npt p) (npt q))
                          (fo (snd p)) (fo (snd q)) (fo (snd r))
  | _ => []
  end.
Definition region_map (U : list (list named)) : option (list Z) :=
  match U with k :: _ => let m := solve k in if forallb (on_piece m) U then Some m else None | [] => None end.
Fixpoint region_maps (R : list (list (list named))) (acc : list (list Z)) : option (list (list Z)) :=
  match R with
  | [] => Some (rev_append acc [])
  | U :: t => match region_map U with None => None | Some m => region_maps t (m :: acc) end
  end.
(* the different ones: sorted, repetitions left out; that it worked is looked at *)
Fixpoint once (a : list Z) (l acc : list (list Z)) : list (list Z) :=
  match l with [] => a :: acc | b :: t => if leq a b then once a t acc else once b t (a :: acc) end.
Definition different (l : list (list Z)) : option (list (list Z)) :=
  match msort (fun l m => negb (lexlt m l)) l with
  | [] => Some []
  | a :: t => let d := rev_append (once a t []) [] in if increasing d then Some d else None
  end.

Lemma once_in l : forall a acc x, In x (once a l acc) <-> In x (a :: l) \/ In x acc.
Proof.
  induction l as [|b l IH]; intros a acc x; cbn [once]; [simpl; tauto|].
  destruct (leq a b) eqn:E; [apply leq_ok in E; subst b|]; rewrite IH; simpl; tauto.
Qed.
Lemma different_ok l d : different l = Some d -> NoDup d /\ forall x, In x d <-> In x l.
Proof.
  unfold different. pose proof (msort_perm (fun l m => negb (lexlt m l)) l) as P.
  assert (E : forall x, In x l <-> In x (msort (fun l m => negb (lexlt m l)) l)).
  { intros x. split; apply Permutation_in; [exact P | symmetry; exact P]. }
  destruct (msort _ l) as [|a t]; [intros H; injection H as <-; split; [constructor | intros x; rewrite E; tauto]|].
  destruct (increasing _) eqn:I; [|discriminate]. intros H. injection H as <-. split; [apply increasing_NoDup, I|].
  intros x. rewrite rev_append_rev, app_nil_r, <- in_rev, once_in, E. simpl. tauto.
Qed.
Lemma resolve_ok f rs : forall acc R, resolve f rs acc = Some R ->
  exists R', R = rev acc ++ R' /\ Forall2 (Forall2 (Forall2 (fun i x => f i = Some x))) rs R'.
Proof.
  induction rs as [|U rs IH]; intros acc R H; cbn [resolve] in H.
  - injection H as <-. exists []. rewrite rev_append_rev, !app_nil_r. split; [reflexivity | constructor].
  - destruct (all_some (all_some f) U) as [V|] eqn:E; [|discriminate]. apply IH in H. destruct H as (R' & -> & F).
    exists (V :: R'). cbn [rev]. rewrite <- app_assoc. split; [reflexivity|]. constructor; [|exact F].
    apply all_some_spec in E. eapply Forall2_imp; [|exact E]. intros; apply all_some_spec; assumption.
Qed.
Lemma region_maps_ok R : forall acc ms, region_maps R acc = Some ms ->
  exists ms', ms = rev acc ++ ms' /\ Forall2 (fun U m => region_map U = Some m) R ms'.
Proof.
  induction R as [|U R IH]; intros acc ms H; cbn [region_maps] in H.
  - injection H as <-. exists []. rewrite rev_append_rev, !app_nil_r. split; [reflexivity | constructor].
  - destruct (region_map U) as [m|] eqn:E; [|discriminate]. apply IH in H. destruct H as (ms' & -> & F).
    exists (m :: ms'). cbn [rev]. rewrite <- app_assoc. split; [reflexivity|]. constructor; assumption.
Qed.

Open Scope R_scope.
(* ---------- a form is known from three points not on a line *)
Lemma form_unique f g a b c : orient a b c <> 0 -> ev f a = ev g a -> ev f b = ev g b -> ev f c = ev g c -> f = g.
Proof.
  intros O A B C. set (h := fadd f (neg g)).
  assert (Z : forall p, ev h p = 0).
  { intros p. assert (E : forall x, ev h x = ev f x - ev g x) by (intros; unfold h; rewrite ev_add, ev_neg; ring).
    pose proof (bary h a b c p) as K. rewrite !(E a), !(E b), !(E c), A, B, C in K.
    apply Rmult_eq_reg_l with (orient a b c); [|exact O]. rewrite <- K. ring. }
  pose proof (Z (P 0 0)) as Z0. pose proof (Z (P 1 0)) as Z1. pose proof (Z (P 0 1)) as Z2.
  unfold h, ev, fadd, neg in Z0, Z1, Z2; simpl in Z0, Z1, Z2. destruct f as [f1 f2 f3], g as [g1 g2 g3]; simpl in *.
  f_equal; lra.
Qed.
Lemma forms_unique a b c : orient a b c <> 0 -> forall fs gs, evs a fs = evs a gs -> evs b fs = evs b gs -> evs c fs = evs c gs -> fs = gs.
Proof.
  intros O. induction fs as [|f fs IH]; intros [|g gs] A B C; try discriminate; [reflexivity|].
  injection A as A1 A2. injection B as B1 B2. injection C as C1 C2. f_equal; [apply (form_unique f g a b c) | apply IH]; assumption.
Qed.

Section maps.
Variables (q : question) (a : answer) (out : nat).
Hypothesis ok : checked q a.

(* what the table of vertices tells of a name *)
Definition known (x : named) := nth_error (vertices a) (Pos.to_nat (fst x) - 1) = Some (npt x) /\ snd x = evalf out q (npt x).
Lemma known_corner x : known x -> hp (npt x) = corner a (fst x) /\ (0 < hw (npt x))%Z.
Proof.
  intros [H _]. split.
  - unfold corner. f_equal. symmetry. apply nth_error_nth, H.
  - apply (parts q a ok). eapply nth_error_In, H.
Qed.
Lemma known_good x : known x -> good q (fv (snd x)).
Proof.
  intros K. split; [apply known_corner, K|]. destruct K as [_ E]. unfold npt in E. rewrite E at 1. rewrite evalf_ok. reflexivity.
Qed.
Lemma known_find x : known x -> PositiveMap.find (fst x) (table q (vertices a)) = Some (fv (snd x)).
Proof.
  intros [H E]. unfold table. rewrite tab_find, nth_error_map, H, E, evalf_ok. reflexivity.
Qed.
Lemma lookup_known i x : lookup (tab (map (evalf out q) (vertices a))) i = Some x -> fst x = i /\ known x.
Proof.
  unfold lookup. rewrite tab_find, nth_error_map. destruct (nth_error (vertices a) (Pos.to_nat i - 1)) as [h|] eqn:E; [|discriminate].
  intros H. injection H as <-. split; [reflexivity|]. assert (X : npt (i, evalf out q h) = h).
  { unfold npt. cbn [snd]. rewrite evalf_ok. cbn [fv]. unfold evalv. destruct (observedZ _ _ _). reflexivity. }
  unfold known. rewrite X. split; [exact E | reflexivity].
Qed.

(* the listed regions, with what is known at their corners *)
Variable R : list (list (list named)).
Hypothesis R_is : Forall2 (Forall2 (Forall2 (fun i x => fst x = i /\ known x))) (regions a) R.
Definition points (k : list named) : list pt := map (fun x => hp (npt x)) k.
Lemma names_points i k : Forall2 (fun i x => fst x = i /\ known x) i k -> points k = map (corner a) i /\ forall x, In x k -> known x.
Proof.
  induction 1 as [|i x l k [<- K] _ [I1 I2]]; [split; [reflexivity | intros ? []]|]. split.
  - simpl. f_equal; [apply known_corner, K | exact I1].
  - intros y [<-|I]; auto.
Qed.
Lemma R_names : map (map (map fst)) R = regions a.
Proof.
  pose proof R_is as X. clear R_is ok. induction X as [|U V rs R' H _ IH]; [reflexivity|]. cbn [map]. f_equal; [|exact IH].
  induction H as [|k l U V H _ IH']; [reflexivity|]. cbn [map]. f_equal; [|exact IH'].
  induction H as [|i x k l [<- _] _ IH'']; [reflexivity|]. cbn [map]. f_equal. exact IH''.
Qed.
Lemma R_known U k : In U R -> In k U -> forall x, In x k -> known x.
Proof.
  intros HU Hk x Hx. revert HU. pose proof R_is as X. clear R_is. induction X as [|A B rs R' H _ IH]; [intros []|]. intros [->|I]; [|apply IH, I].
  clear IH. revert Hk. induction H as [|A' B' rs'' R'' H _ IH]; [intros []|]. intros [->|I]; [|apply IH, I].
  apply (names_points _ _ H), Hx.
Qed.
Lemma points_corner k : (forall x, In x k -> known x) -> points k = map (corner a) (map fst k).
Proof. intros H. unfold points. rewrite map_map. apply map_ext_in. intros x I. apply known_corner, H, I. Qed.
Lemma R_pieces : map (map points) R = pieces a.
Proof.
  unfold pieces. rewrite <- R_names, !map_map. apply map_ext_in. intros U IU. rewrite !map_map. apply map_ext_in. intros k Ik.
  apply points_corner, (R_known U k IU Ik).
Qed.
(* every listed piece passed the core's test *)
Lemma R_ok k : In k (concat R) -> (forall x, In x k -> known x) /\ piece_ok (map (fun x => fv (snd x)) k) = true.
Proof.
  intros I. apply in_concat in I. destruct I as (U & IU & Ik). pose proof (R_known U k IU Ik) as K. split; [exact K|].
  destruct (parts q a ok) as (_ & _ & _ & _ & (Rv & cs & HR & Hc & _) & _).
  assert (X : all_some (all_some (all_some (fun i => PositiveMap.find i (table q (vertices a))))) (regions a)
              = Some (map (map (map (fun x => fv (snd x)))) R)).
  { pose proof R_is as X. clear - X ok. induction X as [|A B rs R' H _ IH]; [reflexivity|]. cbn [all_some map]. rewrite IH.
    replace (all_some (all_some _) A) with (Some (map (map (fun x => fv (snd x))) B)); [reflexivity|].
    clear IH. induction H as [|A' B' rs'' R'' H _ IH]; [reflexivity|]. cbn [all_some map]. rewrite <- IH.
    replace (all_some _ A') with (Some (map (fun x => fv (snd x)) B')); [reflexivity|].
    clear IH. induction H as [|i x is xs [<- Kx] _ IH]; [reflexivity|]. cbn [all_some map]. rewrite (known_find x Kx), <- IH. reflexivity. }
  rewrite X in HR. injection HR as <-. apply all_some_spec in Hc. rewrite <- (map_id cs) in Hc.
  assert (Y : exists c, region_code (map (map (fun x => fv (snd x))) U) = Some c).
  { clear - Hc IU. revert cs Hc. induction R as [|V R' IH]; intros cs Hc; [destruct IU|]. destruct cs; inversion Hc; subst.
    destruct IU as [->|I]; [eauto | eapply IH; eauto]. }
  destruct Y as (c & Y). apply region_code_ok in Y. apply (proj2 Y). apply in_map, Ik.
Qed.
Lemma R_good k : In k (concat R) -> forall v, In v (map (fun x => fv (snd x)) k) -> good q v.
Proof. intros I v J. apply in_map_iff in J. destruct J as (x & <- & J). apply known_good, (R_ok k I), J. Qed.
Lemma R_poly k : poly (map (fun x => fv (snd x)) k) = points k.
Proof. unfold poly, points. rewrite map_map. reflexivity. Qed.
Lemma WFq : wf (network q). Proof. apply wfZ_ok, (parts q a ok). Qed.
Lemma R_ccw k : In k (concat R) -> (3 <= length (points k))%nat /\ ccw (points k).
Proof.
  intros I. destruct (R_ok k I) as [K H]. apply andb_true_iff in H. destruct H as [H _].
  unfold points. rewrite <- (map_map npt hp), map_length. apply polyZ_ccw.
  - intros h J. apply in_map_iff in J. destruct J as (x & <- & J). apply known_corner, K, J.
  - rewrite map_map in H. exact H.
Qed.
Lemma R_conv k : In k (concat R) -> conv (points k).
Proof. intros I. destruct (R_ccw k I). apply ccw_conv; assumption. Qed.
Lemma R_forms k : In k (concat R) -> exists G, forall p, inP (points k) p -> output out q p = evs p G.
Proof.
  intros I. destruct (piece_forms q WFq _ (R_good k I) (proj2 (R_ok k I))) as (VF & H). exists (nth out VF []).
  intros p J. unfold output. rewrite H by (rewrite R_poly; exact J). apply nth_evss.
Qed.

(* ---------- integers that hold at three corners are the map *)
Fixpoint forms_of (m : list Z) : list form :=
  match m with
  | x :: y :: z :: t => F (IZR x / IZR (outD out q)) (IZR y / IZR (outD out q)) (IZR z / IZR (outD out q)) :: forms_of t
  | _ => []
  end.
Lemma outD_pos : (0 < outD out q)%Z.
Proof. apply (output_rel out q (0, 0, 1)%Z). reflexivity. Qed.
Lemma holds_len m h : forall n y, (length m <= n)%nat -> holds m h y = true -> length m = (3 * length y)%nat.
Proof.
  induction m as [m IH] using (well_founded_induction (Wf_nat.well_founded_ltof _ (@length Z))). intros n y L H.
  destruct m as [|x [|y0 [|z m]]], y as [|t y]; cbn [holds] in H; try discriminate; [reflexivity|].
  apply andb_true_iff in H. destruct H as [_ H]. apply (IH m) with (n := length m) in H; [simpl; lia | unfold Wf_nat.ltof; simpl; lia | lia].
Qed.
Lemma holds_ok m x : known x -> holds_at m x = true -> output out q (hp (npt x)) = evs (hp (npt x)) (forms_of m).
Proof.
  intros K. pose proof (proj2 (known_corner x K)) as W. destruct K as [_ E]. unfold holds_at. rewrite E. clear E. revert W. generalize (npt x). intros h W.
  destruct (output_rel out q h W) as [D H]. revert H. generalize (fo (evalf out q h)) (output out q (hp h)). intros y o H. revert m.
  induction H as [|z r zs rs Ez _ IH]; intros [|m1 [|m2 [|m3 m]]] Hm; cbn [holds] in Hm; try discriminate; [reflexivity|].
  apply andb_true_iff in Hm. destruct Hm as [H1 H2]. cbn [forms_of evs map]. f_equal; [|apply IH, H2].
  destruct h as [[u v] w]. cbn [hw snd hp] in *. apply Z.eqb_eq in H1. apply (f_equal IZR) in H1. rewrite !plus_IZR, !mult_IZR, Ez in H1.
  apply IZR_lt in D, W. unfold ev; simpl. apply Rmult_eq_reg_l with (IZR (outD out q) * IZR w); [|apply Rgt_not_eq, Rmult_lt_0_compat; assumption].
  rewrite <- H1. field. lra.
Qed.
Lemma forms_of_inj : forall n m m', length m = (3 * n)%nat -> length m' = (3 * n)%nat -> forms_of m = forms_of m' -> m = m'.
Proof.
  induction n as [|n IH]; intros [|a1 [|a2 [|a3 m]]] [|b1 [|b2 [|b3 m']]] L L' H; simpl in L, L'; try lia; [reflexivity|].
  cbn [forms_of] in H. injection H as H1 H2 H3 H. pose proof outD_pos as D. apply IZR_lt in D.
  assert (X : forall x y, IZR x / IZR (outD out q) = IZR y / IZR (outD out q) -> x = y).
  { intros x y E. apply eq_IZR. apply Rmult_eq_reg_r with (/ IZR (outD out q)); [exact E|]. apply Rinv_neq_0_compat. lra. }
  rewrite (X _ _ H1), (X _ _ H2), (X _ _ H3). do 3 f_equal. apply (IH m m'); [lia | lia | exact H].
Qed.
Lemma three l : (3 <= length l)%nat -> ccw l -> exists p r s t, l = p :: r :: s :: t /\ orient p r s <> 0.
Proof.
  destruct l as [|p [|r [|s t]]]; simpl length; try lia. intros _ H. exists p, r, s, t. split; [reflexivity|].
  destruct H as [H _]. inversion H as [|? ? X _]; subst. rewrite Forall_forall in X. apply Rgt_not_eq, X. left; reflexivity.
Qed.
Lemma piece_map k m : In k (concat R) -> on_piece m k = true -> forall p, inP (points k) p -> output out q p = evs p (forms_of m).
Proof.
  intros I H p J. destruct (R_forms k I) as (G & HG). rewrite (HG p J). f_equal.
  destruct (R_ccw k I) as [L C]. pose proof (proj1 (R_ok k I)) as K. pose proof (fun c => corner_in (points k) c (R_conv k I)) as CI.
  destruct k as [|x [|y [|z k]]]; try discriminate. cbn [on_piece] in H.
  apply andb_true_iff in H. destruct H as [H Hz]. apply andb_true_iff in H. destruct H as [Hx Hy].
  destruct (three _ L C) as (a1 & a2 & a3 & t & E & O). cbn [points map] in E. injection E as E1 E2 E3 _. subst a1 a2 a3.
  apply (forms_unique _ _ _ O); rewrite <- HG by (apply CI; simpl; auto); apply holds_ok; try assumption; apply K; simpl; auto.
Qed.
Lemma piece_len k m : In k (concat R) -> on_piece m k = true -> forall p, inP (points k) p -> length m = (3 * length (output out q p))%nat.
Proof.
  intros I H p J. destruct (R_forms k I) as (G & HG). rewrite (HG p J), evs_length.
  pose proof (proj1 (R_ok k I)) as K. pose proof (fun c => corner_in (points k) c (R_conv k I)) as CI.
  destruct k as [|x [|y [|z k]]]; try discriminate. cbn [on_piece] in H.
  apply andb_true_iff in H. destruct H as [H _]. apply andb_true_iff in H. destruct H as [Hx _].
  unfold holds_at in Hx. apply (holds_len m _ _ _ (le_n _)) in Hx. rewrite Hx. f_equal.
  rewrite <- (evs_length (hp (npt x)) G), <- HG by (apply CI; simpl; auto).
  destruct (K x) as [_ E]; [simpl; auto|]. rewrite E. eapply Forall2_len.
  apply output_rel. apply known_corner, K. simpl; auto.
Qed.

(* ---------- the activation regions' maps *)
Definition region (z : pat) : set := closure (interior (S_ q z)).
Definition has_interior (z : pat) : Prop := exists p, interior (S_ q z) p.
Definition is_map (z : pat) (G : list form) : Prop := forall p, region z p -> output out q p = evs p G.
Variable zs : list pat.
Hypothesis zs_in : forall z, In z zs <-> has_interior z.
Hypothesis zs_regions : Forall2 (fun z U => forall p, union U p <-> region z p) zs (pieces a).
Variable ms : list (list Z).
Hypothesis ms_are : Forall2 (fun U m => region_map U = Some m) R ms.

Lemma region_map_ok U m : region_map U = Some m -> U <> [] /\ forall k, In k U -> on_piece m k = true.
Proof.
  destruct U as [|k U]; [discriminate|]. unfold region_map. cbn zeta. destruct (forallb _ _) eqn:E; [|discriminate].
  intros H. injection H as <-. rewrite forallb_forall in E. split; [discriminate | exact E].
Qed.
(* the region is the union of its pieces, and on each the map holds *)
Definition fits (z : pat) (U : list (list named)) (m : list Z) : Prop :=
  In z zs /\ In U R /\ U <> [] /\ (forall k, In k U -> on_piece m k = true) /\ forall p, region z p <-> exists k, In k U /\ inP (points k) p.
Lemma fits_all : Forall2 (fun z Um => fits z (fst Um) (snd Um)) zs (combine R ms).
Proof.
  assert (X : forall l R' m', (forall z, In z l -> In z zs) -> (forall U, In U R' -> In U R) ->
     Forall2 (fun U m => region_map U = Some m) R' m' -> Forall2 (fun z U => forall p, union U p <-> region z p) l (map (map points) R') ->
     Forall2 (fun z Um => fits z (fst Um) (snd Um)) l (combine R' m')).
  { intros l R' m' Hl HR F. revert l Hl. induction F as [|U m R' m' H _ IH]; intros l Hl G; inversion G as [|z1 U1 l1 L1 Hz HG]; subst; cbn [combine]; constructor.
    - cbn [fst snd]. destruct (region_map_ok U m H) as [N O]. split; [apply Hl; left; reflexivity|]. split; [apply HR; left; reflexivity|].
      split; [exact N|]. split; [exact O|]. intros p. rewrite <- Hz. unfold union. split.
      + intros (l0 & I & J). apply in_map_iff in I. destruct I as (k & <- & I). exists k; auto.
      + intros (k & I & J). exists (points k). split; [apply in_map, I | exact J].
    - apply IH; [intros; apply HR; right; assumption | intros; apply Hl; right; assumption | assumption]. }
  apply X; auto. rewrite R_pieces. exact zs_regions.
Qed.
Lemma fits_map z U m : fits z U m -> is_map z (forms_of m) /\ forall G, is_map z G -> G = forms_of m.
Proof.
  intros (_ & IU & N & O & Un). assert (IC : forall k, In k U -> In k (concat R)) by (intros k I; apply in_concat; exists U; auto). split.
  - intros p J. apply Un in J. destruct J as (k & I & J). apply (piece_map k); auto.
  - intros G HG. destruct U as [|k U]; [congruence|]. set (V := k :: U) in *. assert (Ik : In k V) by (left; reflexivity).
    destruct (R_ccw k (IC k Ik)) as [L C]. destruct (three _ L C) as (a1 & a2 & a3 & t & E & X).
    pose proof (fun c => corner_in (points k) c (R_conv k (IC k Ik))) as CI.
    assert (Y : forall c, In c (points k) -> evs c G = evs c (forms_of m)).
    { intros c J. rewrite <- (HG c) by (apply Un; exists k; auto). apply (piece_map k); auto. }
    rewrite E in Y. apply (forms_unique _ _ _ X); apply Y; simpl; auto.
Qed.
(* any two of the lists of integers stand for different maps if they are different *)
Lemma fits_inj z z' U U' m m' : fits z U m -> fits z' U' m' -> forms_of m = forms_of m' -> m = m'.
Proof.
  intros Hf Hf'.
  assert (X : forall z U m, fits z U m -> length m = (3 * length (forms_of m))%nat).
  { clear - ok R_is. intros z U m (_ & IU & N & O & _). destruct U as [|k U]; [congruence|].
    assert (I : In k (concat R)) by (apply in_concat; exists (k :: U); simpl; auto).
    pose proof (R_conv k I) as C. assert (J : inP (points k) (middle (points k))) by (apply inside_inP, middle_inside, C).
    pose proof (O k (or_introl eq_refl)) as Ok. rewrite (piece_len k m I Ok _ J), (piece_map k m I Ok _ J), evs_length. reflexivity. }
  intros E. apply (forms_of_inj (length (forms_of m))); [apply (X z U m Hf) | rewrite E; apply (X z' U' m' Hf') | exact E].
Qed.
Theorem affine_pieces d : different ms = Some d ->
  Forall2 (fun z m => is_map z (forms_of m)) zs ms /\
  NoDup (map forms_of d) /\ forall G, In G (map forms_of d) <-> exists z, has_interior z /\ is_map z G.
Proof.
  intros H. apply different_ok in H. destruct H as [ND Din]. pose proof fits_all as FA.
  assert (FM : Forall2 (fun z m => exists U, fits z U m) zs ms).
  { assert (Y : forall R' m', Forall2 (fun U m => region_map U = Some m) R' m' -> forall l,
        Forall2 (fun z Um => fits z (fst Um) (snd Um)) l (combine R' m') -> Forall2 (fun z m => exists U, fits z U m) l m').
    { induction 1 as [|U m R' m' _ _ IH]; intros l G; inversion G; subst; constructor; eauto. }
    apply (Y R); assumption. }
  assert (In1 : forall m, In m ms -> exists z U, fits z U m).
  { clear - FM. induction FM as [|z m l l' (U & Hf) _ IH]; [intros ? []|]. intros x [<-|I]; eauto. }
  assert (In2 : forall z, In z zs -> exists m U, In m ms /\ fits z U m).
  { clear - FM. induction FM as [|z m l l' (U & Hf) _ IH]; [intros ? []|]. intros x [<-|I]; [exists m, U; simpl; auto|].
    destruct (IH x I) as (m' & U' & A & B). exists m', U'; simpl; auto. }
  split; [|split].
  - eapply Forall2_imp; [|exact FM]. intros z m (U & Hf). apply (fits_map z U m Hf).
  - assert (Inj : forall x y, In x d -> In y d -> forms_of x = forms_of y -> x = y).
    { intros x y Ix Iy. apply Din in Ix, Iy. destruct (In1 x Ix) as (z & U & Hf), (In1 y Iy) as (z' & U' & Hf'). apply (fits_inj z z' U U'); assumption. }
    clear - ND Inj. induction ND as [|x d N _ IH]; cbn [map]; constructor.
    + intros I. apply in_map_iff in I. destruct I as (y & E & I). assert (y = x) by (apply Inj; simpl; auto). congruence.
    + apply IH. intros; apply Inj; simpl; auto.
  - intros G. rewrite in_map_iff. split.
    + intros (m & <- & I). apply Din in I. destruct (In1 m I) as (z & U & Hf). exists z. split; [apply zs_in, Hf | apply (fits_map z U m Hf)].
    + intros (z & Hi & HG). apply zs_in in Hi. destruct (In2 z Hi) as (m & U & I & Hf). exists m. split; [|apply Din, I].
      symmetry. apply (fits_map z U m Hf), HG.
Qed.
End maps.
